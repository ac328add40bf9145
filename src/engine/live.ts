import type { Container } from '../model/container.ts';
import type { Logger } from '../model/logger.ts';
import type { ContainerLog } from '../runtime/logs/log.ts';
import type { Process } from '../runtime/process/process.ts';
import type { HealthMonitor } from './health.ts';
import type { WaitCondition, WaitResult } from './requests.ts';
import { Restarts } from './restarts.ts';
import { Session } from './session.ts';

interface Waiter {
  readonly condition: WaitCondition;
  settle(result: WaitResult): void;
}

/** One life of a container's process. */
export interface Run {
  readonly process: Process;
  readonly session: Session;
  /** Being sent: the end that one brings may be heard before the answer that it was sent, and is told after it */
  readonly signals: Set<Promise<unknown>>;
  readonly log: ContainerLog;
  /** Fulfilled when nothing is logged any more */
  logged: Promise<void>;
  /** Fulfilled when the end has been dealt with: state written, network gone, events told */
  down: Promise<void>;
  /** Fulfilled when everything of the run is cleared away, and of the container, too, if it was to be removed */
  settled: Promise<void>;
}

/** What of a container lives only while the daemon does: its process, its streams, who waits for it. */
export class LiveContainer {
  /** Of the run that is under way, or of the next one */
  session: Session;
  run?: Run;
  /** The end that comes is part of a restart: neither `--rm` nor the restart policy applies */
  restarting = false;
  /** Somebody is removing it already */
  removing = false;
  readonly restarts = new Restarts();
  /** Of the run under way, or of the last one; undefined: it has no check, or did not run since the daemon started */
  health?: HealthMonitor;
  readonly execs = new Set<string>();
  readonly #waiters = new Set<Waiter>();

  constructor(session: Session) {
    this.session = session;
  }

  /**
   * The next time one of the conditions holds. A `removed` waiter is told the exit code the container had at its end.
   * @param signal ends the waiting: then it rejects with the signal's reason
   */
  wait(condition: WaitCondition, signal: AbortSignal): Promise<WaitResult> {
    const { promise, resolve, reject } = Promise.withResolvers<WaitResult>();
    const leave = () => {
      this.#waiters.delete(waiter);
      reject(signal.reason);
    };
    const waiter: Waiter = {
      condition,
      settle: (result) => {
        signal.removeEventListener('abort', leave);
        this.#waiters.delete(waiter);
        resolve(result);
      },
    };
    this.#waiters.add(waiter);
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
    return promise;
  }

  /** It ended. As in Docker, a start that fails is no end: who started it is told. */
  tellExit(result: WaitResult): void {
    this.#settle((condition) => condition !== 'removed', result);
  }

  /** It is gone: whoever still waits has nothing else to wait for. */
  tellRemoved(result: WaitResult): void {
    this.#settle(() => true, result);
  }

  #settle(concerned: (condition: WaitCondition) => boolean, result: WaitResult): void {
    for (const waiter of [...this.#waiters]) if (concerned(waiter.condition)) waiter.settle(result);
  }
}

/** How many containers with `--rm` are remembered after they are gone. */
const REMEMBERED = 256;

/** One for each container there is. */
export class LiveContainers {
  readonly #byId = new Map<string, LiveContainer>();
  /** Exit codes by id of those that took themselves away, the latest last */
  readonly #vanished = new Map<string, number>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  of(container: Container): LiveContainer {
    const known = this.#byId.get(container.id);
    if (known !== undefined) return known;
    const made = new LiveContainer(this.newSession(container));
    this.#byId.set(container.id, made);
    return made;
  }

  newSession({ spec }: Container): Session {
    return new Session(this.#logger, spec.openStdin);
  }

  /** The daemon ends: who has to run by its restart policy is started by the next one. */
  cancelRestarts(): void {
    for (const { restarts } of this.#byId.values()) restarts.cancel();
  }

  /** The daemon ends, the containers do not: what they said so far is logged to the last word. */
  async close(): Promise<void> {
    await Promise.all(Array.from(this.#byId.values(), ({ run }) => run?.log.close()));
  }

  /** Clients that start a container and only then wait for it may come when a short one with `--rm` is gone already. */
  rememberEnd(id: string, code: number): void {
    this.#vanished.set(id, code);
    const [oldest] = this.#vanished.keys();
    if (this.#vanished.size > REMEMBERED && oldest !== undefined) this.#vanished.delete(oldest);
  }

  /** @returns undefined for whatever did not vanish just now */
  codeOfVanished(id: string): number | undefined {
    return this.#vanished.get(id);
  }

  forget(id: string): void {
    const live = this.#byId.get(id);
    live?.restarts.cancel();
    live?.session.end();
    this.#byId.delete(id);
  }
}
