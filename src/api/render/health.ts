import type { Health, HealthCheck } from '../../model/health.ts';

/** Config.Healthcheck and Config.Shell, of containers and images. Docker leaves out what is not set. */
export function renderHealthCheck(config: { readonly healthCheck?: HealthCheck; readonly shell?: readonly string[] }) {
  const { healthCheck: check, shell } = config;
  const set = (name: string, value: number) => (value === 0 ? {} : { [name]: value });
  return {
    ...(check === undefined
      ? {}
      : {
          Healthcheck: {
            ...(check.test.length === 0 ? {} : { Test: check.test }),
            ...set('Interval', check.interval),
            ...set('Timeout', check.timeout),
            ...set('StartPeriod', check.startPeriod),
            ...set('StartInterval', check.startInterval),
            ...set('Retries', check.retries),
          },
        }),
    ...(shell === undefined ? {} : { Shell: shell }),
  };
}

/** State.Health; the key is missing where there is no check. */
export function renderHealth(health: Health | undefined) {
  if (health === undefined) return {};
  const log = health.log.map((probe) => ({
    Start: probe.start,
    End: probe.end,
    ExitCode: probe.exitCode,
    Output: probe.output,
  }));
  return { Health: { Status: health.status, FailingStreak: health.failingStreak, Log: log } };
}
