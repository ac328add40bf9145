import { posix } from 'node:path';
import { parseJsonList } from '../images/changes.ts';
import type { Instruction } from './dockerfile.ts';
import { type BuildPlan, leadingFlags } from './plan.ts';

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
  const needed = new Set<string>();
  for (const { name, args } of plan.stages.flatMap(({ steps }) => steps)) {
    if (name !== 'RUN') continue;
    for (const mount of mounts(leadingFlags(args))) {
      if (mount.get('type') !== 'secret') continue;
      const target = mount.get('target') ?? mount.get('dst') ?? mount.get('destination') ?? '';
      needed.add(mount.get('id') ?? posix.basename(target));
    }
  }
  return [...needed].filter((id) => id !== '');
}

function isElsewhere(mount: ReadonlyMap<string, string>): boolean {
  return mount.has('from') || (mount.get('type') ?? 'bind') !== 'bind';
}

function mounts(flags: string): ReadonlyMap<string, string>[] {
  return [...flags.matchAll(MOUNT)].map(([, options = '']) => {
    const pairs = options.split(',').map((option) => option.split('='));
    return new Map(pairs.map(([key = '', ...value]) => [key.toLowerCase(), value.join('=')]));
  });
}
