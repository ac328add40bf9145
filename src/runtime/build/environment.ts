import { parseJsonList } from '../images/changes.ts';
import { splitWords, type Variables } from '../images/words.ts';
import type { Instruction } from './dockerfile.ts';
import type { BuildPlan, Stage } from './plan.ts';

/** What is known of the images a plan begins with. */
export interface BaseFacts {
  /** "NAME=value" */
  readonly env: readonly string[];
  /** What RUN runs its commands with; undefined: Docker's default */
  readonly shell: readonly string[] | undefined;
}

export type Bases = (reference: string) => BaseFacts | undefined;

export const DEFAULT_SHELL: readonly string[] = ['/bin/sh', '-c'];

/** The variables an instruction may use: those of the stage before it, and what the client has given for its ARGs. */
export function variablesAt(plan: BuildPlan, stage: Stage, step: Instruction, bases: Bases): Variables {
  const env = inherited(plan, stage, bases);
  const given = new Map<string, string>();
  for (const each of before(stage, step)) note(plan, each, env, given);
  return (name) => env.get(name) ?? given.get(name);
}

/** @param last not included; undefined: all of the stage's */
function before(stage: Stage, last: Instruction | undefined): readonly Instruction[] {
  return last === undefined ? stage.steps : stage.steps.slice(0, stage.steps.indexOf(last));
}

/** What a stage begins with. ARGs end with their stage. */
function inherited(plan: BuildPlan, { base }: Stage, bases: Bases): Map<string, string> {
  if (base.kind === 'scratch') return new Map();
  if (base.kind === 'image') {
    const pairs = (bases(base.reference)?.env ?? []).map((pair) => pair.split('='));
    return new Map(pairs.map(([name = '', ...value]) => [name, value.join('=')]));
  }
  const stage = plan.stages[base.index];
  if (stage === undefined) return new Map();
  const env = inherited(plan, stage, bases);
  const given = new Map<string, string>();
  for (const step of stage.steps) note(plan, step, env, given);
  return env;
}

function note(
  plan: BuildPlan,
  { name, args }: Instruction,
  env: Map<string, string>,
  given: Map<string, string>,
): void {
  const known: Variables = (variable) => env.get(variable) ?? given.get(variable);
  if (name === 'ENV') for (const [key, value] of pairs(args, known)) env.set(key, value);
  if (name !== 'ARG') return;
  for (const word of splitWords(args, known)) {
    const [key = '', ...rest] = word.split('=');
    const value = plan.given[key] ?? (rest.length > 0 ? rest.join('=') : plan.variables.get(key));
    if (value !== undefined) given.set(key, value);
  }
}

/** "A=1 B=2", or of old "A the rest of the line". */
function pairs(args: string, known: Variables): [string, string][] {
  const words = splitWords(args, known);
  if (words[0]?.includes('=') === true) {
    return words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]);
  }
  const [, key = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(args) ?? [];
  return [[key, splitWords(rest, known).join(' ')]];
}

/** What a RUN's command is given to. @param step undefined: one behind the stage's last */
export function shellAt(plan: BuildPlan, stage: Stage, step: Instruction | undefined, bases: Bases): readonly string[] {
  const own = ownShell(stage, step);
  if (own !== undefined) return own;
  const { base } = stage;
  if (base.kind === 'image') return bases(base.reference)?.shell ?? DEFAULT_SHELL;
  const former = base.kind === 'stage' ? plan.stages[base.index] : undefined;
  return former === undefined ? DEFAULT_SHELL : shellAt(plan, former, undefined, bases);
}

/** What the stage itself has said of it before that step; undefined: nothing */
export function ownShell(stage: Stage, step: Instruction | undefined): readonly string[] | undefined {
  const said = before(stage, step).findLast(({ name }) => name === 'SHELL');
  return said && (parseJsonList(said.args) ?? DEFAULT_SHELL);
}
