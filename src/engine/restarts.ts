import type { Container, RestartPolicy } from '../model/container.ts';
import { NEVER } from '../model/container.ts';

/** Docker's (moby: restartmanager): the pause before the first restart, and the longest one. Milliseconds */
const FIRST_PAUSE = 100;
const LAST_PAUSE = 60_000;
/** Who ran so long is taken to have been well: the pauses begin anew. Milliseconds */
const WELL_AFTER = 10_000;

/** How a run came to its end. */
export interface RunEnd {
  readonly exitCode: number;
  /** Milliseconds */
  readonly ranFor: number;
  /** How often it was started again by itself before */
  readonly restartCount: number;
}

/** Whether and when a container that ended is started again by itself. One for each container, as long as the daemon lives. */
export class Restarts {
  #pause = 0;
  #cancelled = false;
  #timer: NodeJS.Timeout | undefined;

  /** @returns milliseconds to wait before the next start; undefined: it stays as it is */
  after(policy: RestartPolicy, end: RunEnd): number | undefined {
    if (this.#cancelled || !wantsRestart(policy, end)) return undefined;
    if (end.ranFor >= WELL_AFTER) this.#pause = 0;
    this.#pause = this.#pause === 0 ? FIRST_PAUSE : Math.min(2 * this.#pause, LAST_PAUSE);
    return this.#pause;
  }

  schedule(pause: number, start: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(start, pause).unref();
  }

  /** Somebody wants it to end: it stays down until `reset`. */
  cancel(): void {
    this.#cancelled = true;
    clearTimeout(this.#timer);
  }

  /** Somebody started it: everything begins anew. */
  reset(): void {
    clearTimeout(this.#timer);
    this.#pause = 0;
    this.#cancelled = false;
  }
}

function wantsRestart(policy: RestartPolicy, { exitCode, restartCount }: RunEnd): boolean {
  switch (policy.name) {
    case 'no':
      return false;
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure':
      return exitCode !== 0 && (policy.maximumRetries === 0 || restartCount < policy.maximumRetries);
  }
}

/** Whether a daemon that starts is to start it: as if it had ended just now, except that what was stopped by hand is remembered. */
export function restartsWithDaemon({ spec, state, restartCount, stoppedByHand, stopping }: Container): boolean {
  if (stopping?.thenStart) return true;
  const { restartPolicy } = spec;
  if (state.startedAt === NEVER) return false;
  if (stoppedByHand && restartPolicy.name !== 'always') return false;
  return wantsRestart(restartPolicy, { exitCode: state.exitCode, ranFor: 0, restartCount });
}
