import { EngineError } from '../model/errors.ts';
import { isRunc, type OciRuntime, type OciRuntimes } from '../model/oci-runtime.ts';

/**
 * `--add-runtime` and "runtimes" of daemon.json, in dockerd's words.
 * @param given "crun=/usr/bin/crun"; from the file 'crun={"path": "/usr/bin/crun", "runtimeArgs": []}'
 * @param chosen `--default-runtime`
 * @throws EngineError invalidArgument
 */
export function parseRuntimes(given: readonly string[], chosen: string): OciRuntimes {
  const byName: Record<string, OciRuntime> = {};
  for (const text of given) {
    const wrong = (why: string) => refuse(`invalid argument "${text}" for "--add-runtime" flag: ${why}`);
    const [, name, value] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
    if (name === undefined || value === undefined) throw wrong(`invalid runtime argument: ${text}`);
    if (isRunc(name)) throw wrong(`runtime name '${name}' is reserved`);
    if (Object.hasOwn(byName, name)) throw wrong(`runtime '${name}' was already defined`);
    byName[name] = value.startsWith('{') ? fromFile(name, JSON.parse(value)) : { path: value, args: [] };
  }
  if (!isRunc(chosen) && !Object.hasOwn(byName, chosen))
    throw refuse(`specified default runtime '${chosen}' does not exist`);
  return { byName, chosen };
}

/** @throws EngineError invalidArgument: shims of other kinds run no processes of this host, which much here relies on */
function fromFile(name: string, entry: Readonly<Record<string, unknown>>): OciRuntime {
  const { path = '', runtimeArgs = [], runtimeType = '', options } = entry;
  const failed = (why: string) => refuse(`runtime ${name}: ${why}`);
  if (runtimeType !== '') throw failed('a runtimeType is not supported by Fairway: name the program by its path');
  if (path === '') throw failed('a path must be configured');
  if (options !== undefined && options !== null) throw failed('options cannot be used with a path runtime');
  const texts = Array.isArray(runtimeArgs) && runtimeArgs.every((word) => typeof word === 'string');
  if (typeof path !== 'string' || !texts) throw failed('want a path and a list of runtimeArgs');
  return { path, args: runtimeArgs };
}

function refuse(message: string): EngineError {
  return new EngineError('invalidArgument', message);
}
