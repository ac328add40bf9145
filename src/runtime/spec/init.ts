import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../../model/errors.ts';
import type { OciMount, OciSpec } from './oci.ts';

/** Where the container finds it. Docker's path */
const INSIDE = '/sbin/docker-init';
/** docker-init is Docker's own build of tini, tini-static Debian's: neither needs a library of the container's. */
const PROGRAMS = ['docker-init', 'tini-static'];
const FOLDERS = ['/usr/libexec/docker', '/usr/local/bin', '/usr/bin', '/bin', '/usr/local/sbin', '/usr/sbin', '/sbin'];

/** @param configured `--init-path` @throws EngineError internal when there is no such program */
export function findInit(configured: string | undefined): string {
  const candidates =
    configured === undefined ? PROGRAMS.flatMap((name) => FOLDERS.map((folder) => join(folder, name))) : [configured];
  const found = candidates.find(isExecutable);
  if (found !== undefined) return found;
  const advice = 'install docker-init or tini-static (Debian’s package tini), or name it with the daemon’s --init-path';
  const missing =
    configured === undefined
      ? 'there is no program for --init'
      : `the program for --init, ${configured}, may not be run`;
  throw new EngineError('internal', `${missing}: ${advice}`);
}

/** The same container with a first process of our own, which passes signals on and takes leave of orphans. */
export function withInit(spec: OciSpec, program: string): OciSpec {
  const mount: OciMount = { destination: INSIDE, type: 'bind', source: program, options: ['bind', 'ro'] };
  return {
    ...spec,
    mounts: [...spec.mounts, mount],
    process: { ...spec.process, args: [INSIDE, '--', ...spec.process.args] },
  };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
