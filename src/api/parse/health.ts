import type { ContainerSpec } from '../../model/container.ts';
import { type HealthCheck, healthCheckFault } from '../../model/health.ts';
import { invalid } from '../status.ts';
import type { Fields } from './fields.ts';

/** Healthcheck, and the Shell its CMD-SHELL runs in. @throws EngineError invalidArgument in Docker's words */
export function parseHealthCheck(fields: Fields): Pick<ContainerSpec, 'healthCheck' | 'shell'> {
  const shell = fields.texts('Shell');
  const healthCheck = readHealthCheck(fields.child('Healthcheck'));
  const fault = healthCheckFault(healthCheck);
  if (fault !== undefined) throw invalid(fault);
  const { test, ...numbers } = healthCheck;
  const given = test.length > 0 || Object.values(numbers).some((value) => value !== 0);
  return { ...(given ? { healthCheck } : {}), ...(shell.length === 0 ? {} : { shell }) };
}

/** { Test, Interval, … }; durations are nanoseconds. */
export function readHealthCheck(fields: Fields): HealthCheck {
  const check: HealthCheck = {
    test: fields.texts('Test'),
    interval: fields.integer('Interval') ?? 0,
    timeout: fields.integer('Timeout') ?? 0,
    startPeriod: fields.integer('StartPeriod') ?? 0,
    startInterval: fields.integer('StartInterval') ?? 0,
    retries: fields.integer('Retries') ?? 0,
  };
  fields.close();
  return check;
}
