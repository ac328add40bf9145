import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { EngineError, type ErrorKind, errorMessage } from '../../model/errors.ts';
import type { Answer, Job } from './job.ts';

/** Milliseconds a thread that has nothing to do is kept: it holds 10 MB, and starting one takes 60 ms of a processor. */
const KEEP = 5000;
/**
 * More jobs of a kind than these wait for each other. What ends by itself is quick; what goes through a pipe takes as long as
 * a client takes, and two may wait for each other (`docker cp a:/x - | docker cp - b:/x`).
 */
const MOST = { quick: 4, streaming: 32 };
type Pace = keyof typeof MOST;

export interface Work<Done, Ready> {
  /** Fulfilled before the first byte goes through a pipe */
  readonly ready: Promise<Ready>;
  readonly done: Promise<Done>;
}

interface Assignment {
  readonly job: Job;
  ready(value: unknown): void;
  done(value: unknown): void;
  fail(error: Error): void;
}

/** Threads for work on files, started at the first need. One that is idle is taken again, for a while. */
export class FileWorkers {
  readonly #idle: Hand[] = [];
  readonly #waiting: { readonly [P in Pace]: Assignment[] } = { quick: [], streaming: [] };
  readonly #busy = { quick: 0, streaming: 0 };

  run<Done, Ready = void>(job: Job): Work<Done, Ready> {
    const ready = Promise.withResolvers<Ready>();
    const done = Promise.withResolvers<Done>();
    // Whoever waits for one of them may never look at the other.
    ready.promise.catch(() => undefined);
    done.promise.catch(() => undefined);
    const pace: Pace = 'input' in job || 'output' in job ? 'streaming' : 'quick';
    this.#waiting[pace].push({
      job,
      ready: (value) => ready.resolve(value as Ready),
      done: (value) => {
        ready.resolve(undefined as Ready);
        done.resolve(value as Done);
      },
      fail: (error) => {
        ready.reject(error);
        done.reject(error);
      },
    });
    this.#assign(pace);
    return { ready: ready.promise, done: done.promise };
  }

  close(): void {
    for (const hand of this.#idle.splice(0)) hand.dismiss();
  }

  #assign(pace: Pace): void {
    while (this.#busy[pace] < MOST[pace]) {
      const assignment = this.#waiting[pace].shift();
      if (assignment === undefined) return;
      this.#busy[pace]++;
      const hand = this.#idle.pop() ?? new Hand((gone) => this.#forget(gone));
      void hand.work(assignment).then((usable) => {
        this.#busy[pace]--;
        if (usable) this.#idle.push(hand);
        this.#assign(pace);
      });
    }
  }

  #forget(hand: Hand): void {
    const index = this.#idle.indexOf(hand);
    if (index >= 0) this.#idle.splice(index, 1);
  }
}

/** One thread. It keeps the process alive only while it works. */
class Hand {
  readonly #worker = new Worker(join(import.meta.dirname, `files.worker${extname(import.meta.filename)}`));
  readonly #leave: (hand: Hand) => void;
  #assignment: Assignment | undefined;
  #rested: ((usable: boolean) => void) | undefined;
  #retirement: NodeJS.Timeout | undefined;

  /** @param leave called before it ends, whatever for: it takes no job any more */
  constructor(leave: (hand: Hand) => void) {
    this.#leave = leave;
    this.#worker.on('message', (answer: Answer) => this.#hear(answer));
    this.#worker.on('error', (error) => this.#break(errorMessage(error)));
    this.#worker.on('exit', () => {
      this.#break('the work on the container’s files broke off');
      leave(this);
    });
  }

  /** @returns whether it can be given another job */
  work(assignment: Assignment): Promise<boolean> {
    clearTimeout(this.#retirement);
    this.#assignment = assignment;
    this.#worker.ref();
    this.#worker.postMessage(assignment.job);
    return new Promise((resolve) => {
      this.#rested = resolve;
    });
  }

  dismiss(): void {
    clearTimeout(this.#retirement);
    void this.#worker.terminate();
  }

  #hear(answer: Answer): void {
    const assignment = this.#assignment;
    if (answer.kind === 'ready') {
      assignment?.ready(answer.value);
      return;
    }
    this.#rest(true);
    this.#worker.unref();
    this.#retirement = setTimeout(() => this.#retire(), KEEP).unref();
    if (answer.kind === 'done') assignment?.done(answer.value);
    else assignment?.fail(explain(answer));
  }

  #retire(): void {
    this.#leave(this);
    this.dismiss();
  }

  #break(reason: string): void {
    this.#assignment?.fail(new EngineError('internal', reason));
    this.#rest(false);
  }

  #rest(usable: boolean): void {
    this.#assignment = undefined;
    this.#rested?.(usable);
    this.#rested = undefined;
  }
}

/** What is shown to users as it is; a missing path is told in the words of who asked for it. */
function explain({ code, message }: Answer & { kind: 'failed' }): EngineError {
  const kinds: Readonly<Record<string, ErrorKind>> = {
    ENOENT: 'notFound',
    ENOTDIR: 'invalidArgument',
    invalidArgument: 'invalidArgument',
    forbidden: 'forbidden',
  };
  if (code === 'EROFS') return new EngineError('forbidden', 'mounted volume is marked read-only');
  return new EngineError(kinds[code] ?? 'internal', message);
}
