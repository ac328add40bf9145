import { type Health, type HealthCheck, healthSection } from '../../model/health.ts';

/** Config.Healthcheck and Config.Shell, of containers and images. Docker leaves out what is not set. */
export function renderHealthCheck(config: { readonly healthCheck?: HealthCheck; readonly shell?: readonly string[] }) {
  const { healthCheck, shell } = config;
  return {
    ...(healthCheck === undefined ? {} : { Healthcheck: healthSection(healthCheck) }),
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
