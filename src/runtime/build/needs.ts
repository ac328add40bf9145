import { posix } from 'node:path';
import { parseJsonList } from '../images/changes.ts';
import type { Instruction } from './dockerfile.ts';
import { leadingFlags } from './flags.ts';
import type { BuildPlan } from './plan.ts';

/** What a build asks of the client, as far as its Dockerfile tells. */
const MOUNT = /(?:^|\s)--mount=(\S*)/g;

/**
 * Paths of the context that are copied from, without a leading slash; patterns and links among them.
 * @returns undefined: which they are is not to be seen here, or they are all
 */
export function contextPaths(plan: BuildPlan): readonly string[] | undefined {
  const paths = new Set<string>();
  for (const step of plan.stages.flatMap(({ steps }) => steps)) {
    const wanted = pathsOf(step);
    if (wanted === undefined) return undefined;
    for (const path of wanted) paths.add(posix.join('/', path).slice(1));
  }
  return paths.has('') ? undefined : [...paths];
}

function pathsOf({ name, args, heredocs }: Instruction): readonly string[] | undefined {
  if (name === 'ONBUILD') return undefined;
  const flags = leadingFlags(args);
  if (name === 'RUN') return mounts(flags).every(isElsewhere) ? [] : undefined;
  if ((name !== 'COPY' && name !== 'ADD') || heredocs.length > 0 || /(^|\s)--from=/.test(flags)) return [];
  const rest = args.slice(flags.length);
  if (rest.includes('$')) return undefined;
  const words = parseJsonList(rest) ?? rest.trim().split(/\s+/);
  if (words.some((word) => /["'\\]/.test(word))) return undefined;
  return words.slice(0, -1).filter((word) => !/^(https?:|git@|git:|ssh:)/.test(word));
}

/** Ids of the secrets that commands have mounted, each once (buildkit, frontend/dockerfile/instructions/commands_runmount.go). */
export function neededSecrets(plan: BuildPlan): string[] {
  return mountedIds(plan, 'secret', (mount) => {
    return posix.basename(mount.get('target') ?? mount.get('dst') ?? mount.get('destination') ?? '');
  });
}

/** The same of SSH agents. */
export function neededAgents(plan: BuildPlan): string[] {
  return mountedIds(plan, 'ssh', () => 'default');
}

function mountedIds(plan: BuildPlan, type: string, otherwise: (mount: Mount) => string): string[] {
  const runs = plan.stages.flatMap(({ steps }) => steps).filter(({ name }) => name === 'RUN');
  const found = runs.flatMap(({ args }) => mounts(leadingFlags(args))).filter((mount) => mount.get('type') === type);
  return [...new Set(found.map((mount) => mount.get('id') ?? otherwise(mount)))].filter((id) => id !== '');
}

type Mount = ReadonlyMap<string, string>;

function isElsewhere(mount: Mount): boolean {
  return mount.has('from') || (mount.get('type') ?? 'bind') !== 'bind';
}

function mounts(flags: string): Mount[] {
  return [...flags.matchAll(MOUNT)].map(([, options = '']) => {
    const pairs = options.split(',').map((option) => option.split('='));
    return new Map(pairs.map(([key = '', ...value]) => [key.toLowerCase(), value.join('=')]));
  });
}
