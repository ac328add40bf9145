import type { Instruction } from './dockerfile.ts';
import { type Bases, shellAt, variablesAt } from './environment.ts';
import { leadingFlags } from './flags.ts';
import { expandText, isMarker, rawWords, textOf } from './heredoc.ts';
import { type Base, type BuildPlan, COPY_SOURCE, MOUNT_SOURCE, namedContext, type Stage } from './plan.ts';

export interface RenderOptions {
  /** Of all needed images, as hexadecimal digits */
  readonly ids: ReadonlyMap<string, string>;
  readonly bases: Bases;
  /** Keeps files for a step. @returns the name buildah knows their folder by */
  readonly folder: (files: Readonly<Record<string, string>>) => string;
  /** Keeps a program for a step. @returns its path for the step's command */
  readonly program: (text: string) => string;
}

/**
 * The plan as a Dockerfile for buildah, one instruction a line, in which every image is named by its id: so it is the image
 * that was found here, and nothing is ever looked for elsewhere. buildah before 1.33 knows no here-documents: they become commands
 * and files.
 */
export function renderPlan(plan: BuildPlan, options: RenderOptions): string {
  const { ids } = options;
  const lines = plan.escape === '\\' ? [] : [`# escape=${plan.escape}`];
  for (const { name, args } of plan.arguments) lines.push(`${name} ${args}`);
  for (const stage of plan.stages) {
    const as = stage.name === '' ? '' : ` AS ${stage.name}`;
    lines.push(`FROM ${baseName(plan, stage.base, ids)}${as}`);
    for (const step of stage.steps.slice(1)) lines.push(renderStep(plan, stage, step, options));
  }
  return `${lines.join('\n')}\n`;
}

function renderStep(plan: BuildPlan, stage: Stage, step: Instruction, options: RenderOptions): string {
  const args = substitute(plan, step, options.ids);
  if (step.heredocs.length === 0) return `${step.name} ${args}`;
  const flags = leadingFlags(args);
  const rest = args.slice(flags.length);
  if (step.name === 'RUN') return `RUN ${flags}${JSON.stringify(commandOf(plan, stage, step, rest, options))}`;
  const variables = variablesAt(plan, stage, step, options.bases);
  const files = step.heredocs.map((heredoc): [string, string] => {
    const text = textOf(heredoc);
    return [heredoc.name, heredoc.expand ? expandText(text, variables) : text];
  });
  const target = rawWords(rest).at(-1) ?? '';
  const sources = files.map(([name]) => quoteName(name)).join(' ');
  return `COPY ${flags}--from=${options.folder(Object.fromEntries(files))} ${sources} ${target}`;
}

/** As BuildKit has it run (dockerfile2llb, dispatchRun): a here-document alone is the script, otherwise it is the shell's to read. */
function commandOf(
  plan: BuildPlan,
  stage: Stage,
  step: Instruction,
  command: string,
  { bases, program }: RenderOptions,
): readonly string[] {
  const [only, ...more] = step.heredocs;
  if (only !== undefined && more.length === 0 && isMarker(command.trim())) {
    const text = textOf(only);
    return text.startsWith('#!') ? [program(text)] : [...shellAt(plan, stage, step, bases), text];
  }
  const documents = step.heredocs.map(({ name, content }) => `\n${content}${name}`).join('');
  return [...shellAt(plan, stage, step, bases), command + documents];
}

/** For a line on which blanks separate. */
function quoteName(name: string): string {
  return /^[\w.-]+$/.test(name) ? name : JSON.stringify(name);
}

function baseName(plan: BuildPlan, base: Base, ids: ReadonlyMap<string, string>): string {
  if (base.kind === 'scratch') return 'scratch';
  if (base.kind === 'stage') return plan.stages[base.index]?.name ?? '';
  return ids.get(base.reference) ?? base.reference;
}

function substitute(plan: BuildPlan, { name, args }: Instruction, ids: ReadonlyMap<string, string>): string {
  if (name !== 'RUN' && name !== 'COPY') return args;
  const flags = leadingFlags(args);
  const pattern = name === 'RUN' ? MOUNT_SOURCE : COPY_SOURCE;
  const replaced = flags.replace(
    pattern,
    (_, blank: string, flag: string, source: string) => `${blank}${flag}${sourceName(plan, source, ids)}`,
  );
  return replaced + args.slice(flags.length);
}

function sourceName(plan: BuildPlan, source: string, ids: ReadonlyMap<string, string>): string {
  const given = namedContext(plan.contexts, source);
  if (given?.kind === 'folder') return source;
  return ids.get(given?.reference ?? source) ?? source;
}
