import type { Progress } from '../../model/registry.ts';

/** Somebody who wants the outcome. */
export interface Watcher {
  readonly signal: AbortSignal;
  readonly progress: (progress: Progress) => void;
}

interface Job {
  readonly controller: AbortController;
  readonly watchers: Set<Watcher>;
  last: Progress | undefined;
  readonly done: Promise<void>;
}

/** Work that several want at the same time is done once, and given up when nobody wants it any more. */
export class Shared {
  readonly #jobs = new Map<string, Job>();

  /**
   * Does the work named by `key`, or waits for who does it already.
   *
   * @throws what the work throws; the reason of the watcher's signal, after the work has ended if nobody else wants it
   */
  async run(
    key: string,
    watcher: Watcher,
    work: (signal: AbortSignal, report: (progress: Progress) => void) => Promise<void>,
  ): Promise<void> {
    watcher.signal.throwIfAborted();
    const known = this.#jobs.get(key);
    const job = known === undefined || known.controller.signal.aborted ? this.#start(key, work) : known;
    job.watchers.add(watcher);
    if (job === known && job.last !== undefined) watcher.progress(job.last);
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const leave = () => resolve();
    watcher.signal.addEventListener('abort', leave, { once: true });
    try {
      await Promise.race([job.done, gone]);
    } finally {
      watcher.signal.removeEventListener('abort', leave);
      job.watchers.delete(watcher);
      if (job.watchers.size === 0 && watcher.signal.aborted) {
        job.controller.abort(watcher.signal.reason);
        await job.done.catch(() => undefined);
      }
    }
    watcher.signal.throwIfAborted();
  }

  #start(key: string, work: (signal: AbortSignal, report: (progress: Progress) => void) => Promise<void>): Job {
    const controller = new AbortController();
    const watchers = new Set<Watcher>();
    const report = (progress: Progress) => {
      job.last = progress;
      for (const watcher of watchers) watcher.progress(progress);
    };
    const done = Promise.resolve()
      .then(() => work(controller.signal, report))
      .finally(() => {
        if (this.#jobs.get(key) === job) this.#jobs.delete(key);
      });
    // Whoever watches sees it; there may be nobody left.
    done.catch(() => undefined);
    const job: Job = { controller, watchers, last: undefined, done };
    this.#jobs.set(key, job);
    return job;
  }
}

/** At most so many at once; the others wait in the order they came. */
export class Slots {
  readonly #count: () => number;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  /** @param count asked whenever one is wanted: it may change */
  constructor(count: () => number) {
    this.#count = count;
  }

  /** @param waiting is called when there is no slot at once */
  async run<T>(signal: AbortSignal, waiting: () => void, work: () => Promise<T>): Promise<T> {
    if (this.#taken < this.#count()) this.#taken++;
    else {
      waiting();
      await this.#turn(signal);
    }
    try {
      return await work();
    } finally {
      this.#taken--;
      while (this.#taken < this.#count()) {
        const next = this.#waiting.shift();
        if (next === undefined) break;
        this.#taken++;
        next();
      }
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(signal.reason);
      };
      const turn = () => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(turn);
    });
  }
}
