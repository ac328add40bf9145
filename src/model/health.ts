/** How a container's health is looked after, as `--health-…` and HEALTHCHECK say. Durations in nanoseconds; 0: Docker's default. */
export interface HealthCheck {
  /** ["CMD", program, …], ["CMD-SHELL", script] or ["NONE"]; []: the image's */
  readonly test: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  /** Failures after the start that do not count */
  readonly startPeriod: number;
  /** Takes the interval's place until it is healthy for the first time, while the start period lasts */
  readonly startInterval: number;
  readonly retries: number;
}

/** One look at a container. */
export interface HealthProbe {
  /** ISO 8601 */
  readonly start: string;
  readonly end: string;
  /** −1: it could not be run, or took too long */
  readonly exitCode: number;
  readonly output: string;
}

export interface Health {
  readonly status: 'starting' | 'healthy' | 'unhealthy';
  /** Failures in a row */
  readonly failingStreak: number;
  /** The last ones, oldest first */
  readonly log: readonly HealthProbe[];
}

/** As Docker's clients and images write a check: what is not set is left out. */
export function healthSection(check: HealthCheck) {
  const set = (name: string, value: number) => (value === 0 ? {} : { [name]: value });
  return {
    ...(check.test.length === 0 ? {} : { Test: check.test }),
    ...set('Interval', check.interval),
    ...set('Timeout', check.timeout),
    ...set('StartPeriod', check.startPeriod),
    ...set('StartInterval', check.startInterval),
    ...set('Retries', check.retries),
  };
}

/** Docker's least (moby: api/types/container, MinimumDuration): 1 ms. */
const LEAST_DURATION = 1_000_000;

/** What is wrong with a check, in Docker's words; undefined: nothing. */
export function healthCheckFault(check: HealthCheck): string | undefined {
  const { test, retries } = check;
  const [kind = 'NONE'] = test;
  if (!['NONE', 'CMD', 'CMD-SHELL'].includes(kind)) return `Unknown healthcheck type '${kind}' (expected 'CMD')`;
  if (kind !== 'NONE' && (test[1] ?? '') === '') return `Missing command after ${kind} in Healthcheck`;
  const durations = {
    Interval: check.interval,
    Timeout: check.timeout,
    StartPeriod: check.startPeriod,
    StartInterval: check.startInterval,
  };
  for (const [name, value] of Object.entries(durations)) {
    if (value !== 0 && value < LEAST_DURATION) return `${name} in Healthcheck cannot be less than 1ms`;
  }
  return retries < 0 ? 'Retries in Healthcheck cannot be negative' : undefined;
}
