import { type BuildEvent, type BuildPlan, fullReference, type Instruction, type Stage } from '../engine/builds.ts';
import type { Progress, Step } from './progress.ts';

/** What BuildKit shows of a Dockerfile: the rest is done to the image's configuration and takes no time. */
const SHOWN = new Set(['RUN', 'COPY', 'ADD', 'WORKDIR']);

/** Tells a build's steps as BuildKit names them (frontend/dockerfile/dockerfile2llb/convert.go, prefixCommand). */
export class Steps {
  readonly #progress: Progress;
  readonly #plan: BuildPlan;
  #current: Step | undefined;
  #stage = -1;
  #shown = 0;
  #cached = false;

  constructor(progress: Progress, plan: BuildPlan) {
    this.#progress = progress;
    this.#plan = plan;
  }

  tell(event: BuildEvent): void {
    if (event.kind === 'step') this.#begin(event.stage, event.step);
    else if (event.kind === 'output') this.#current?.log(event.text);
    else if (event.kind === 'cached') this.#cached = true;
    else if (event.kind === 'made') this.#end();
  }

  /** @param error what the step that was going on has failed with */
  close(error?: string): void {
    if (error !== undefined) this.#current?.end({ error });
    this.#end();
  }

  #begin(stage: number, step: Instruction | undefined): void {
    this.#end();
    if (stage !== this.#stage) this.#shown = 0;
    this.#stage = stage;
    const plan = this.#plan.stages[stage];
    if (plan === undefined) return;
    if (step === undefined) this.#current = this.#progress.step(`${this.#prefix(plan, false)}ONBUILD`);
    else if (isShown(plan, step)) this.#current = this.#progress.step(this.#prefix(plan, true) + named(plan, step));
    // The image is there already; what is left of it takes no time.
    if (step?.name === 'FROM') this.#end();
  }

  #end(): void {
    this.#current?.end({ cached: this.#cached });
    this.#current = undefined;
    this.#cached = false;
  }

  /** "[build 2/5] ". @param counted a trigger of the base is not */
  #prefix(stage: Stage, counted: boolean): string {
    const total = stage.steps.filter((step) => isShown(stage, step)).length;
    if (counted) this.#shown++;
    const number = String(this.#shown).padStart(String(total).length);
    const name = stage.name === '' ? `stage-${this.#stage}` : stage.name;
    return `[${this.#plan.stages.length > 1 ? `${name} ` : ''}${number}/${total}] `;
  }
}

function isShown(stage: Stage, { name }: Instruction): boolean {
  return name === 'FROM' ? stage.base.kind === 'image' : SHOWN.has(name);
}

/** On one line, the instruction in capitals; of a FROM the image it has turned out to be. */
function named({ base }: Stage, { name, text }: Instruction): string {
  if (name === 'FROM' && base.kind === 'image') return `FROM ${fullReference(base.reference)}`;
  return `${name} ${text.slice(name.length).trim().replace(/\s+/g, ' ')}`;
}
