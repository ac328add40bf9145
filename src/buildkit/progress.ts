import { createHash } from 'node:crypto';
import { type StatusResponse, timestamp, type Vertex } from './protos/control.ts';

/** Characters of output that wait for a client which reads slowly, or not at all. */
const BACKLOG = 1 << 20;
/** Of the streams of a log: what commands print comes as one. */
const STDOUT = 1;

/** One line of a build's progress. */
export class Step {
  readonly #progress: Progress;
  #vertex: Vertex;

  constructor(progress: Progress, vertex: Vertex) {
    this.#progress = progress;
    this.#vertex = { ...vertex, started: timestamp(Date.now()) };
    this.#say();
  }

  get over(): boolean {
    return this.#vertex.completed !== undefined;
  }

  log(text: string): void {
    this.#progress.log(this.#vertex.digest ?? '', STDOUT, text);
  }

  /** A part of it. @param current bytes; undefined: it has no size */
  part(
    id: string,
    { done, current, total }: { readonly done: boolean; readonly current?: number; readonly total?: number },
  ): void {
    const now = timestamp(Date.now());
    const { digest: vertex, started } = this.#vertex;
    const status = { id, vertex, current, total, timestamp: now, started, completed: done ? now : undefined };
    this.#progress.push({ statuses: [status] });
  }

  warn(text: string): void {
    this.#progress.push({ warnings: [{ vertex: this.#vertex.digest, level: 1, short: Buffer.from(text) }] });
  }

  /** @param end.error why it failed */
  end({ cached = false, error = '' }: { readonly cached?: boolean; readonly error?: string } = {}): void {
    if (this.over) return;
    this.#vertex = { ...this.#vertex, cached, error, completed: timestamp(Date.now()) };
    this.#say();
  }

  #say(): void {
    this.#progress.push({ vertexes: [this.#vertex] });
  }
}

/** What a build tells its client while it goes on. Steps have digests of their own in every build: clients mix what has the same. */
export class Progress {
  readonly #build: string;
  readonly #updates: StatusResponse[] = [];
  #steps = 0;
  #waiting = 0;
  #read = false;
  #wasRead = false;
  #ended = false;
  readonly #over: (() => void)[] = [];
  #wake: () => void = () => undefined;
  #caughtUp: () => void = () => undefined;

  /** @param build its name, unlike any other's */
  constructor(build: string) {
    this.#build = build;
  }

  /** Begins a step. */
  step(name: string): Step {
    const digest = `sha256:${createHash('sha256')
      .update(`${this.#build} ${this.#steps++}`)
      .digest('hex')}`;
    return new Step(this, { digest, name });
  }

  /** Does something as a step. */
  async during<T>(name: string, work: (step: Step) => Promise<T>): Promise<T> {
    const step = this.step(name);
    try {
      const result = await work(step);
      step.end();
      return result;
    } catch (error) {
      step.end({ error: error instanceof Error ? error.message : String(error) });
      throw error;
    }
  }

  /** Whether anybody has asked for it. */
  get wasRead(): boolean {
    return this.#wasRead;
  }

  push(update: StatusResponse): void {
    this.#updates.push(update);
    this.#wake();
  }

  log(vertex: string, stream: number, text: string): void {
    // Nobody may ever ask: then what does not fit is lost, as BuildKit loses it.
    if (!this.#read && this.#waiting > BACKLOG) return;
    this.#waiting += text.length;
    this.push({ logs: [{ vertex, stream, timestamp: timestamp(Date.now()), message: Buffer.from(text) }] });
  }

  /** Fulfilled when whoever reads has caught up, or nobody reads. */
  async drained(): Promise<void> {
    if (!this.#read || this.#ended || this.#waiting <= BACKLOG) return;
    await new Promise<void>((resolve) => {
      this.#caughtUp = resolve;
    });
  }

  /** @param heard called when nothing more is told */
  whenOver(heard: () => void): void {
    if (this.#ended) heard();
    else this.#over.push(heard);
  }

  /** Nothing more is told. */
  end(): void {
    this.#ended = true;
    for (const heard of this.#over.splice(0)) heard();
    this.#wake();
    this.#caughtUp();
  }

  /** All that was told and will be, for one reader. @param signal ends it */
  async *read(signal: AbortSignal): AsyncGenerator<StatusResponse, void, undefined> {
    this.#read = true;
    this.#wasRead = true;
    signal.addEventListener('abort', () => this.#wake(), { once: true });
    try {
      while (!signal.aborted) {
        const update = this.#updates.shift();
        if (update !== undefined) {
          yield update;
          for (const { message } of update.logs ?? [])
            this.#waiting -= message instanceof Uint8Array ? message.length : 0;
          if (this.#waiting <= BACKLOG) this.#caughtUp();
        } else if (this.#ended) return;
        else await this.#another();
      }
    } finally {
      this.#read = false;
      this.#caughtUp();
    }
  }

  #another(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
