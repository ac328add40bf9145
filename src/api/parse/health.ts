import type { ContainerSpec } from '../../model/container.ts';
import { type HealthCheck, healthCheckFault } from '../../model/health.ts';
import { invalid } from '../status.ts';
import type { Fields } from './fields.ts';

/** Healthcheck, and the Shell its CMD-SHELL runs in. @throws EngineError invalidArgument in Docker's words */
export function parseHealthCheck(fields: Fields): Pick<ContainerSpec, 'healthCheck' | 'shell'> {
  const shell = fields.texts('Shell');
  const check = fields.child('Healthcheck');
  const healthCheck: HealthCheck = {
    test: check.texts('Test'),
    interval: check.integer('Interval') ?? 0,
    timeout: check.integer('Timeout') ?? 0,
    startPeriod: check.integer('StartPeriod') ?? 0,
    startInterval: check.integer('StartInterval') ?? 0,
    retries: check.integer('Retries') ?? 0,
  };
  check.close();
  const fault = healthCheckFault(healthCheck);
  if (fault !== undefined) throw invalid(fault);
  const { test, ...numbers } = healthCheck;
  const given = test.length > 0 || Object.values(numbers).some((value) => value !== 0);
  return { ...(given ? { healthCheck } : {}), ...(shell.length === 0 ? {} : { shell }) };
}
