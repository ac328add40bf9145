import type { Container, ContainerSpec } from '../model/container.ts';
import type { Health, HealthCheck, HealthProbe } from '../model/health.ts';
import { type Core, containerEvent } from './core.ts';
import { runProbe } from './health-probe.ts';
import type { LiveContainer, Run } from './live.ts';

/** Docker's (moby: daemon/health.go), in nanoseconds */
const DEFAULT_INTERVAL = 30e9;
const DEFAULT_TIMEOUT = 30e9;
const DEFAULT_START_INTERVAL = 5e9;
const DEFAULT_RETRIES = 3;
/** Probes that are remembered */
const LOG_LENGTH = 5;

/** Looks after a container that runs, if it has a check. What earlier runs' probes said stays in its log. */
export function watchHealth(core: Core, container: Container, live: LiveContainer, run: Run): void {
  const { healthCheck } = container.spec;
  const command = probeCommand(container.spec);
  if (healthCheck === undefined || command === undefined) return;
  const log = live.health?.current.log ?? container.health?.log ?? [];
  live.health = new HealthMonitor(core, { container, run, command, check: healthCheck }, log);
  if (container.state.status === 'running') live.health.begin();
}

/** What a probe runs; undefined: there is nothing to run. */
export function probeCommand({ healthCheck, shell }: Pick<ContainerSpec, 'healthCheck' | 'shell'>) {
  const [kind = 'NONE', ...command] = healthCheck?.test ?? [];
  if (kind === 'NONE') return undefined;
  return kind === 'CMD-SHELL' ? [...(shell ?? ['/bin/sh', '-c']), ...command] : command;
}

/** What the user did not say about the check, the image says (moby: daemon/commit.go, merge). */
export function mergeHealthCheck(
  own: HealthCheck | undefined,
  image: HealthCheck | undefined,
): HealthCheck | undefined {
  if (own === undefined || image === undefined) return own ?? image;
  return {
    test: own.test.length === 0 ? image.test : own.test,
    interval: own.interval || image.interval,
    timeout: own.timeout || image.timeout,
    startPeriod: own.startPeriod || image.startPeriod,
    startInterval: own.startInterval || image.startInterval,
    retries: own.retries || image.retries,
  };
}

interface Watched {
  readonly container: Container;
  readonly run: Run;
  readonly command: readonly string[];
  readonly check: HealthCheck;
}

/** Looks at one run of a container again and again. */
export class HealthMonitor {
  readonly #core: Core;
  readonly #watched: Watched;
  #current: Health;
  #watching: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(core: Core, watched: Watched, log: Health['log']) {
    this.#core = core;
    this.#watched = watched;
    this.#current = { status: 'starting', failingStreak: 0, log };
  }

  get current(): Health {
    return this.#current;
  }

  /** The first probe comes after the interval, as in Docker. */
  begin(): void {
    if (this.#watching !== undefined) return;
    this.#watching = new AbortController();
    this.#schedule(this.#watching.signal);
  }

  /** It ended, or is paused: nobody knows how it is, and Docker calls that unhealthy. */
  stop(): void {
    if (this.#watching === undefined) return;
    clearTimeout(this.#timer);
    this.#watching.abort();
    this.#watching = undefined;
    this.#current = { ...this.#current, status: 'unhealthy' };
  }

  #schedule(signal: AbortSignal): void {
    const pause = pauseBeforeProbe(this.#watched.check, this.#current, this.#age());
    // Timers hold 2³¹ − 1 ms at most: 24 days.
    this.#timer = setTimeout(() => void this.#look(signal), Math.min(pause / 1e6, 0x7fffffff)).unref();
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { container, run, command, check } = this.#watched;
    const age = this.#age();
    const probe = await runProbe(
      this.#core,
      { container, run, command, timeout: check.timeout || DEFAULT_TIMEOUT },
      signal,
    );
    if (signal.aborted) return;
    this.#note(probe, age);
    this.#schedule(signal);
  }

  #note(probe: HealthProbe, age: number): void {
    const former = this.#current.status;
    this.#current = judge(this.#watched.check, this.#current, probe, age);
    if (this.#current.status === former) return;
    const { container } = this.#watched;
    const known = this.#core.state.containers.get(container.id) ?? container;
    containerEvent(this.#core, known, `health_status: ${this.#current.status}`);
  }

  /** Nanoseconds since the start. */
  #age(): number {
    return (Date.now() - Date.parse(this.#watched.container.state.startedAt)) * 1e6;
  }
}

/** Nanoseconds. @param age since the start, in nanoseconds */
export function pauseBeforeProbe(check: HealthCheck, { status }: Health, age: number): number {
  const early = age < check.startPeriod && status === 'starting';
  return early ? check.startInterval || DEFAULT_START_INTERVAL : check.interval || DEFAULT_INTERVAL;
}

/** What a probe means. Until it was healthy for the first time, failures of the start period do not count. */
export function judge(check: HealthCheck, health: Health, probe: HealthProbe, age: number): Health {
  const log = [...health.log, probe].slice(-LOG_LENGTH);
  if (probe.exitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  if (health.status === 'starting' && age < check.startPeriod) return { ...health, log };
  const failingStreak = health.failingStreak + 1;
  const failed = failingStreak >= (check.retries || DEFAULT_RETRIES);
  return { status: failed ? 'unhealthy' : health.status, failingStreak, log };
}
