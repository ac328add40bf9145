import { errorMessage } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { type NamespaceName, type Resource, type ResourceKind, resourceKey } from '../model/resource.ts';
import { Backoff } from './backoff.ts';
import { linkOfSysctl } from './foundation.ts';
import type { Outcome } from './mender.ts';
import type { PlanStep } from './plan.ts';
import { describeStep } from './steps.ts';
import { sandboxesOf } from './wishes.ts';

/** Milliseconds between two repairs of another program's firewall, at most: reloading one is no quarrel, however often it is done. */
const PASSAGE_WAIT = 500;
/** Milliseconds before what failed is tried again, at least. */
const RETRY = 1000;

/** How much was mended that nobody had asked for. */
export interface Repairs {
  readonly count: number;
  readonly kinds: Readonly<Partial<Record<ResourceKind, number>>>;
  readonly last?: { readonly at: string; readonly text: string };
  readonly contested: readonly Contested[];
}

/** What somebody undoes again and again, and what cannot be mended. Times as ISO 8601. */
export interface Contested {
  /** resourceKey: "link host vethab12cd3" */
  readonly resource: string;
  readonly times: number;
  readonly since: string;
  /** Not mended again before */
  readonly next: string;
  /** Why it could not be mended */
  readonly failure?: string;
}

/** Keeps account of what was mended, tells of it, and says what has to wait because somebody undoes it. */
export class RepairBook {
  readonly #logger: Logger;
  readonly #backoff = new Backoff();
  readonly #kinds = new Map<ResourceKind, number>();
  #last: Repairs['last'];
  #waiting: Resource[] = [];

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  get repairs(): Repairs {
    const counts = [...this.#kinds.values()];
    return {
      count: counts.reduce((sum, count) => sum + count, 0),
      kinds: Object.fromEntries(this.#kinds),
      ...(this.#last === undefined ? {} : { last: this.#last }),
      contested: this.#contested(),
    };
  }

  /** Sandboxes, settings and neighbours' places that hold something that waits. */
  get waiting(): { sandboxes: NamespaceName[]; settings: string[]; neighbours: NamespaceName[] } {
    return {
      neighbours: this.#waiting.flatMap((one) =>
        one.kind === 'neighbour' || one.kind === 'forwarding' ? [one.namespace] : [],
      ),
      sandboxes: this.#waiting.flatMap(sandboxesOf),
      settings: this.#waiting.flatMap((one) => (one.kind === 'sysctl' ? [linkOfSysctl(one.path) ?? ''] : [])),
    };
  }

  /** In how many milliseconds this may be repaired; 0: now. @param key resourceKey */
  readyIn(key: string): number {
    const now = performance.now();
    return this.#backoff.readyAt(key, now) - now;
  }

  /** For one look: refuses what was repaired too often of late. `next` is when the first of these may be repaired. */
  admission(now: number): { admit(step: PlanStep): boolean; next(): number | undefined } {
    this.#waiting = [];
    let next = Number.POSITIVE_INFINITY;
    return {
      admit: ({ resource }) => {
        const ready = this.#backoff.readyAt(resourceKey(resource), now);
        if (ready <= now) return true;
        next = Math.min(next, ready);
        this.#waiting.push(resource);
        return false;
      },
      next: () => (next === Number.POSITIVE_INFINITY ? undefined : next),
    };
  }

  /**
   * One line for all that was mended, one for all that could not be.
   * @param counted whether what was mended is waited for when it must be mended again
   * @returns in how many milliseconds to try again, when something failed
   */
  note(outcomes: readonly Outcome[], counted: boolean): number | undefined {
    const now = performance.now();
    const done = outcomes.filter(({ failure }) => failure === undefined).map(({ step }) => step);
    if (counted) this.#countQuarrels(done, now);
    if (done.length > 0) this.#tellMended(done);
    return this.noteFailures(outcomes);
  }

  /** The same for what failed alone. */
  noteFailures(outcomes: readonly Outcome[]): number | undefined {
    const failed = outcomes.filter(({ failure }) => failure !== undefined);
    if (failed.length === 0) return undefined;
    const now = performance.now();
    this.#waiting.push(...failed.map(({ step }) => step.resource));
    const keys = failed.map(({ step, failure }) => {
      const key = resourceKey(step.resource);
      this.#backoff.repaired(key, now, { failure: errorMessage(failure) });
      return key;
    });
    const wait = Math.max(RETRY, ...keys.map((key) => this.#backoff.readyAt(key, now) - now));
    const [first] = failed;
    this.#logger.warn(`network cannot be mended: ${errorMessage(first?.failure)}`, { keys, retryInMs: wait });
    return wait;
  }

  #countQuarrels(done: readonly PlanStep[], now: number): void {
    const begun = done.filter(({ resource }) => {
      const longest = resource.kind === 'passage' ? PASSAGE_WAIT : undefined;
      return this.#backoff.repaired(resourceKey(resource), now, { longest });
    });
    if (begun.length === 0) return;
    const keys = begun.map(({ resource }) => resourceKey(resource));
    const what = keys.length === 1 ? keys.join() : `${keys[0]} and ${keys.length - 1} more`;
    this.#logger.warn(
      `somebody undoes what was mended, again and again: ${what}; it is mended less often from now on`,
      {
        keys,
      },
    );
  }

  #tellMended(done: readonly PlanStep[]): void {
    for (const { resource } of done) this.#kinds.set(resource.kind, (this.#kinds.get(resource.kind) ?? 0) + 1);
    const steps = done.map(describeStep);
    const text = steps.length === 1 ? steps.join() : `${steps[0]} and ${steps.length - 1} more`;
    this.#last = { at: new Date().toISOString(), text };
    this.#logger.info(`network mended: ${text}`, { steps });
  }

  #contested(): Contested[] {
    const now = performance.now();
    const iso = (time: number): string => new Date(Date.now() - now + time).toISOString();
    return this.#backoff.contested(now).map(({ key, count, since, next, failure }) => ({
      resource: key,
      times: count,
      since: iso(since),
      next: iso(next),
      ...(failure === undefined ? {} : { failure }),
    }));
  }
}
