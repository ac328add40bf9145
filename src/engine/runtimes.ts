import type { Container } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import { isRunc, type OciRuntime } from '../model/oci-runtime.ts';
import type { Core } from './core.ts';

/** @param asked undefined: the daemon's default @returns its name @throws EngineError invalidArgument in Docker's words */
export function chooseRuntime({ settings }: Core, asked: string | undefined): string {
  const { byName, chosen } = settings.current.runtimes;
  const name = asked ?? chosen;
  if (!isRunc(name) && !Object.hasOwn(byName, name)) throw unknown(name);
  return name;
}

/** What runs a container that starts; undefined: runc. @throws EngineError invalidArgument when the daemon knows it no more */
export function runtimeOf({ settings }: Core, { spec }: Container): OciRuntime | undefined {
  const { runtime } = spec.isolation;
  if (runtime === undefined || isRunc(runtime)) return undefined;
  const found = settings.current.runtimes.byName[runtime];
  if (found === undefined) throw unknown(runtime);
  return found;
}

function unknown(name: string): EngineError {
  return new EngineError('invalidArgument', `unknown or invalid runtime name: ${name}`);
}
