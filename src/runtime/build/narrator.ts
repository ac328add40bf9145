import { StringDecoder } from 'node:string_decoder';
import type { Instruction } from './dockerfile.ts';
import type { BuildEvent } from './events.ts';
import { BuildError, buildFailure } from './failure.ts';
import type { BuildPlan } from './plan.ts';

export interface NarratorOptions {
  /** Ids of the images the plan needs: "sha256:…", by reference */
  readonly bases: ReadonlyMap<string, string>;
  readonly tell: (event: BuildEvent) => void;
  /** The whole of an id of which buildah shows the beginning */
  readonly fullId: (prefix: string) => string;
}

const STEP = /(?:\[(\d+)\/\d+\] )?STEP (\d+)\/(\d+): /;
const MADE = /--> (Using cache )?([0-9a-f]{64}|[0-9a-f]{11})$/;
const COMMIT = /(?:\[\d+\/\d+\] )?COMMIT$/;
const RESULT = /^[0-9a-f]{64}$/;
const UNUSED = /^\[Warning\] one or more build args were not consumed: \[(.*)\]$/;
const LOG = /^time="[^"]*" level=\w+ msg=/;
/** What may be the beginning of buildah's own last words; a command may say the same. */
const ERROR = /^(Error: |error running container: )/;

/** Output without a newline at its end is passed on after this, in ms: until then it may be the beginning of a mark. */
const PATIENCE = 100;
const LONGEST_LINE = 64 << 10;

/**
 * Tells what a build does. buildah's marks and the commands' output come mixed in one stream; a mark
 * is believed only where it is the next one due.
 */
export class Narrator {
  readonly #plan: BuildPlan;
  readonly #options: NarratorOptions;
  readonly #decoder = new StringDecoder('utf8');
  readonly #stageIds: string[] = [];
  #rest = '';
  #timer: NodeJS.Timeout | undefined;
  #stage = -1;
  /** Of buildah's count in the stage, from 1 */
  #step = 0;
  /** Steps an ONBUILD of the base has put behind the stage's FROM */
  #triggers = 0;
  #begun = false;
  /** The step has neither said anything nor made anything yet */
  #fresh = false;
  /** An image is due for the step */
  #due = false;
  #held = '';
  #result = '';

  constructor(plan: BuildPlan, options: NarratorOptions) {
    this.#plan = plan;
    this.#options = options;
  }

  /** The image: 64 hexadecimal digits; '' until it is made. */
  get result(): string {
    return this.#result;
  }

  feed(chunk: Buffer): void {
    clearTimeout(this.#timer);
    this.#rest += this.#decoder.write(chunk);
    for (let end = this.#rest.indexOf('\n'); end >= 0; end = this.#rest.indexOf('\n')) {
      const line = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(end + 1);
      this.#line(line);
    }
    if (this.#rest.length > LONGEST_LINE) this.#flush();
    else if (this.#rest !== '') this.#timer = setTimeout(() => this.#flush(), PATIENCE);
  }

  /** @returns what went wrong, when buildah ended with another code than 0 */
  end(code: number): BuildError | undefined {
    clearTimeout(this.#timer);
    if (this.#rest !== '') this.#line(this.#rest);
    this.#rest = '';
    if (code === 0) {
      this.#release();
      return undefined;
    }
    const lines = this.#held.split('\n');
    const own = lines.findLastIndex((line) => line.startsWith('Error: '));
    const about = lines.findIndex((line) => line.startsWith('error running container: '));
    const first = about < 0 ? own : about;
    this.#held = first <= 0 ? '' : `${lines.slice(0, first).join('\n')}\n`;
    this.#release();
    this.#running();
    const step = this.#current();
    const words = lines.slice(Math.max(first, 0)).join('\n');
    return new BuildError(buildFailure(words, step, this.#plan.stages[this.#stage]), step);
  }

  #line(line: string): void {
    if (LOG.test(line)) {
      if (this.#held !== '') this.#held += `${line}\n`;
      return;
    }
    const mark = this.#mark(line);
    if (mark === undefined) this.#output(`${line}\n`);
  }

  /** @returns undefined when the line holds no mark */
  #mark(line: string): true | undefined {
    const step = STEP.exec(line);
    if (step !== null && this.#isNext(Number(step[1] ?? 1), Number(step[2]))) {
      this.#output(line.slice(0, step.index));
      return this.#begin(Number(step[1] ?? 1) - 1, Number(step[2]), Number(step[3]));
    }
    const made = MADE.exec(line);
    if (made !== null && this.#due) {
      this.#output(line.slice(0, made.index));
      return this.#made(made[2] ?? '', made[1] !== undefined);
    }
    const commit = COMMIT.exec(line);
    if (commit !== null && this.#due) {
      this.#output(line.slice(0, commit.index));
      return true;
    }
    return this.#ending(line);
  }

  #ending(line: string): true | undefined {
    if (this.#due) return undefined;
    // After a hit in the cache the image is named once more.
    if (MADE.test(line) || COMMIT.test(line)) return true;
    const unused = UNUSED.exec(line);
    if (unused !== null) this.#tell({ kind: 'unused', names: unused[1] ?? '' });
    else if (RESULT.test(line)) this.#result = line;
    else return undefined;
    return true;
  }

  #isNext(stage: number, step: number): boolean {
    return (stage === this.#stage + 1 && step === this.#step + 1) || (stage > this.#stage + 1 && step === 1);
  }

  #begin(stage: number, step: number, total: number): true {
    this.#release();
    this.#finish();
    if (step === 1) {
      this.#stage = stage;
      this.#triggers = 0;
      if (!this.#begun) for (const argument of this.#plan.arguments) this.#tell({ kind: 'argument', step: argument });
      this.#begun = true;
    } else if (step === 2) this.#countTriggers(total);
    this.#step = step;
    this.#fresh = true;
    this.#due = step > 1 || this.#plan.stages[stage]?.steps.length === 1;
    this.#tell({ kind: 'step', stage, step: this.#current(), base: step === 1 ? this.#baseId() : undefined });
    return true;
  }

  #countTriggers(total: number): void {
    this.#triggers = total - this.#ownSteps(total);
    if (this.#triggers > 0) this.#tell({ kind: 'triggers', count: this.#triggers });
  }

  /** Without triggers. @param otherwise for a stage that nobody knows */
  #ownSteps(otherwise: number): number {
    const { stages, appended } = this.#plan;
    const steps = stages[this.#stage]?.steps.length ?? otherwise;
    return this.#stage === stages.length - 1 ? steps + appended : steps;
  }

  /** Whether the step is one that buildah has put behind the last. */
  #isAppended(): boolean {
    return this.#step - this.#triggers > (this.#plan.stages[this.#stage]?.steps.length ?? this.#step);
  }

  #made(id: string, cached: boolean): true {
    this.#release();
    const full = id.length === 64 ? id : this.#options.fullId(id);
    const told = !this.#isAppended();
    if (cached) {
      this.#fresh = false;
      if (told) this.#tell({ kind: 'cached' });
    } else this.#finish();
    this.#due = false;
    this.#stageIds[this.#stage] = full;
    if (this.#step > 1 && told) this.#tell({ kind: 'made', id: full });
    return true;
  }

  /** A command that said nothing has run all the same. */
  #finish(): void {
    if (!this.#due) return;
    this.#running();
    if (this.#isCommand()) this.#tell({ kind: 'ran' });
  }

  #running(): void {
    if (!this.#fresh) return;
    this.#fresh = false;
    if (this.#isCommand()) this.#tell({ kind: 'running' });
  }

  #isCommand(): boolean {
    return this.#current()?.name === 'RUN' || (this.#step > 1 && this.#step <= 1 + this.#triggers);
  }

  /** What the plan says of the step; undefined for a trigger. */
  #current(): Instruction | undefined {
    const { steps = [] } = this.#plan.stages[this.#stage] ?? {};
    if (this.#step <= 1) return steps[0];
    return steps[this.#step - 1 - this.#triggers] === steps[0] ? undefined : steps[this.#step - 1 - this.#triggers];
  }

  #baseId(): string {
    const base = this.#plan.stages[this.#stage]?.base;
    if (base?.kind === 'stage') return this.#stageIds[base.index] ?? '';
    return base?.kind === 'image' ? (this.#options.bases.get(base.reference) ?? '').replace('sha256:', '') : '';
  }

  /** What looks like an error is kept back, until it is known that the build goes on. */
  #output(text: string): void {
    if (text === '') return;
    if (this.#held !== '' || ERROR.test(text)) {
      this.#held += text;
      if (this.#held.length > LONGEST_LINE && !this.#held.includes('\nError: ')) this.#release();
      return;
    }
    this.#running();
    this.#tell({ kind: 'output', text });
  }

  #release(): void {
    const text = this.#held;
    this.#held = '';
    if (text === '') return;
    this.#running();
    this.#tell({ kind: 'output', text });
  }

  #flush(): void {
    const text = this.#rest;
    this.#rest = '';
    this.#output(text);
  }

  #tell(event: BuildEvent): void {
    this.#options.tell(event);
  }
}
