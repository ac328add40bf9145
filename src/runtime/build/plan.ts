import { EngineError } from '../../model/errors.ts';
import { splitWords } from '../images/words.ts';
import { type Dockerfile, fromParts, type Instruction } from './dockerfile.ts';
import { leadingFlags } from './flags.ts';
import { parseError } from './parse-error.ts';

/** Where a stage begins. */
export type Base =
  | { readonly kind: 'scratch' }
  | { readonly kind: 'stage'; readonly index: number }
  | { readonly kind: 'image'; readonly reference: string };

/** What a name stands for that the client gives a meaning: an image, or a folder of its own. */
export type NamedContext = { readonly kind: 'image'; readonly reference: string } | { readonly kind: 'folder' };

type Contexts = ReadonlyMap<string, NamedContext>;

export interface Stage {
  /** '' without a name */
  readonly name: string;
  readonly base: Base;
  /** The first is its FROM */
  readonly steps: readonly Instruction[];
}

/** What will be done, stage by stage, the target's last. */
export interface BuildPlan {
  readonly arguments: readonly Instruction[];
  readonly stages: readonly Stage[];
  readonly escape: string;
  /** Build arguments of the client */
  readonly given: Readonly<Record<string, string>>;
  /** What FROM may use */
  readonly variables: ReadonlyMap<string, string>;
  readonly contexts: Contexts;
  /** All steps, as they are counted for the user */
  readonly total: number;
  /** Steps that buildah puts behind the last: for labels it is given beside the Dockerfile */
  readonly appended: number;
}

export interface PlanOptions {
  /** Name or index of a stage; '': the last one */
  readonly target: string;
  readonly arguments: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** This machine's: "linux/amd64" */
  readonly platform: string;
  /** Stages on which the target does not rest are not built, and nothing is fetched for them */
  readonly skipUnused: boolean;
  readonly contexts: Contexts;
}

/** @throws EngineError invalidArgument in Docker's words */
export function planBuild(dockerfile: Dockerfile, options: PlanOptions): BuildPlan {
  const variables = globalArguments(dockerfile.arguments, options);
  const stages: Stage[] = [];
  for (const steps of dockerfile.stages) stages.push(planStage(steps, stages, variables, options));
  const last = stages.findLastIndex((_, index) => isTarget(stages, index, options.target));
  if (last < 0) throw new EngineError('invalidArgument', `target stage "${options.target}" could not be found`);
  const chosen = stages.slice(0, last + 1).map((stage, index) => (index === last ? withLabels(stage, options) : stage));
  const total = chosen.reduce((sum, { steps }) => sum + steps.length, dockerfile.arguments.length);
  const kept = options.skipUnused ? withoutUnused(chosen) : chosen;
  const appended = Object.entries(options.labels).filter(([name, value]) => !isStep(name, value)).length;
  return {
    arguments: dockerfile.arguments,
    stages: kept,
    escape: dockerfile.escape,
    given: options.arguments,
    variables,
    contexts: options.contexts,
    total,
    appended,
  };
}

function isTarget(stages: readonly Stage[], index: number, target: string): boolean {
  if (target === '') return true;
  return stages[index]?.name.toLowerCase() === target.toLowerCase() || String(index) === target;
}

/** What nobody needs stays as an empty stage: others are known by their number. */
function withoutUnused(stages: readonly Stage[]): Stage[] {
  const used = new Set<number>();
  const use = (index: number) => {
    const stage = stages[index];
    if (stage === undefined || used.has(index)) return;
    used.add(index);
    if (stage.base.kind === 'stage') use(stage.base.index);
    for (const step of stage.steps) for (const name of sources(step)) use(stageIndex(stages, name));
  };
  use(stages.length - 1);
  return stages.map((stage, index) =>
    used.has(index) ? stage : { name: stage.name, base: { kind: 'scratch' }, steps: stage.steps.slice(0, 1) },
  );
}

/** ARG before the first FROM: what FROM may use. */
function globalArguments(instructions: readonly Instruction[], options: PlanOptions): Map<string, string> {
  const platform = options.platform.split('/');
  const known = new Map<string, string>();
  for (const side of ['TARGET', 'BUILD']) {
    known.set(`${side}PLATFORM`, options.platform);
    known.set(`${side}OS`, platform[0] ?? '');
    known.set(`${side}ARCH`, platform[1] ?? '');
  }
  for (const { args } of instructions) {
    for (const word of splitWords(args, (name) => known.get(name))) {
      const [name = '', ...rest] = word.split('=');
      const given = options.arguments[name] ?? (rest.length > 0 ? rest.join('=') : undefined);
      if (given !== undefined) known.set(name, given);
    }
  }
  return known;
}

function planStage(
  steps: readonly Instruction[],
  before: readonly Stage[],
  variables: ReadonlyMap<string, string>,
  options: PlanOptions,
): Stage {
  const [{ args, line } = { args: '', line: 0 }] = steps;
  const from = fromParts(args, line);
  const expand = (text: string) => splitWords(text, (name) => variables.get(name)).join(' ');
  const image = expand(from.image);
  if (image === '') throw parseError(line, `base name (${from.image}) should not be blank`);
  const platform = expand(from.platform);
  if (platform !== '' && platform !== options.platform) {
    throw parseError(
      line,
      `FROM --platform=${platform} is not supported by Fairway yet: this host runs ${options.platform}`,
    );
  }
  const given = namedContext(options.contexts, image);
  if (given?.kind === 'folder') {
    throw parseError(line, `FROM ${image}: a build context as a base is not supported by Fairway yet`);
  }
  const index = before.findLastIndex(({ name }) => name !== '' && name.toLowerCase() === image.toLowerCase());
  const name = from.name.toLowerCase();
  if (image === 'scratch') return { name, base: { kind: 'scratch' }, steps };
  if (given === undefined && index >= 0) return { name, base: { kind: 'stage', index }, steps };
  return { name, base: { kind: 'image', reference: given?.reference ?? image }, steps };
}

/** Labels of the command line are one more step, as in Docker. */
function withLabels(stage: Stage, { labels }: PlanOptions): Stage {
  const pairs = Object.entries(labels)
    .filter(([name, value]) => isStep(name, value))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  if (pairs.length === 0) return stage;
  const args = pairs.map(([name, value]) => `${quote(name)}=${quote(value)}`).join(' ');
  return {
    ...stage,
    steps: [...stage.steps, { name: 'LABEL', args, text: `LABEL ${args}`, line: 0, lastLine: 0, heredocs: [] }],
  };
}

/** Whether a label can be written in a Dockerfile, whose lines end where a line ends. */
export function isStep(name: string, value: string): boolean {
  return !/[\r\n]/.test(name + value);
}

/** In single quotes nothing is replaced; they end for a quote of the text itself. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}

/** Images the plan needs from outside, each once: those stages begin with, and those files are copied from. */
export function neededImages(plan: BuildPlan): string[] {
  const needed = new Set<string>();
  for (const { base, steps } of plan.stages) {
    if (base.kind === 'image') needed.add(base.reference);
    for (const name of steps.flatMap(sources)) {
      const given = namedContext(plan.contexts, name);
      if (given?.kind === 'image') needed.add(given.reference);
      else if (given === undefined && stageIndex(plan.stages, name) < 0) needed.add(name);
    }
  }
  return [...needed];
}

/** Named folders of the client that the plan needs, each once. */
export function neededFolders(plan: BuildPlan): string[] {
  const names = plan.stages.flatMap(({ steps }) => steps).flatMap(sources);
  return [...new Set(names)].filter((name) => plan.contexts.get(name)?.kind === 'folder');
}

/** "alpine:latest" is given as "alpine", too (buildkit, frontend/dockerui, NamedContext). */
export function namedContext(contexts: Contexts, name: string): NamedContext | undefined {
  return contexts.get(name) ?? contexts.get(name.replace(/:latest$/, ''));
}

export const COPY_SOURCE = /(^|\s)(--from=)(\S+)/g;
export const MOUNT_SOURCE = /(^|\s)(--mount=(?:\S+,)?from=)([^\s,]+)/g;

/** What COPY --from and RUN --mount=from name. Flags come first. */
function sources({ name, args }: Instruction): string[] {
  const pattern = name === 'RUN' ? MOUNT_SOURCE : COPY_SOURCE;
  if (name !== 'RUN' && name !== 'COPY') return [];
  return [...leadingFlags(args).matchAll(pattern)].map((match) => match[3] ?? '');
}

/** @param name or number, as COPY --from= says it @returns -1: it is an image */
function stageIndex(stages: readonly Stage[], name: string): number {
  return stages.findIndex(
    (stage, index) => (stage.name !== '' && stage.name === name.toLowerCase()) || String(index) === name,
  );
}
