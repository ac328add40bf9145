import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { setDomainName } from '../kernel/uts.ts';
import type { Container } from '../model/container.ts';
import { EngineError, errorMessage, hasCode } from '../model/errors.ts';
import type { ContainerLog } from '../runtime/logs/log.ts';
import { isLogged, openLog as openContainerLog } from '../runtime/logs/logs.ts';
import type { Process } from '../runtime/process/process.ts';
import { mapDevices, readHostDevices } from '../runtime/spec/devices.ts';
import { findInit, withInit } from '../runtime/spec/init.ts';
import { buildSpec, domainnameOf, type SpecInput } from '../runtime/spec/spec.ts';
import { resolveUser } from '../runtime/spec/user.ts';
import { linkEnvironment } from './container-links.ts';
import { placeMounts } from './container-mounts.ts';
import { containerPaths } from './container-paths.ts';
import type { Core } from './core.ts';
import { sharedNamespaces } from './namespaces.ts';
import { usersOf } from './remap.ts';
import { runtimeOf } from './runtimes.ts';
import type { Place } from './sandboxes.ts';
import type { Session } from './session.ts';
import { makeSharedMemory } from './shared-memory.ts';
import { otherSysctls } from './sysctls.ts';

/**
 * Describes the container's process and has it recorded.
 * @param layers of its root
 * @returns what creates its task in its sandbox, not yet started. Nothing of it remains when that throws.
 */
export async function prepareProcess(
  core: Core,
  container: Container,
  place: Place,
  layers: ReturnType<Core['runtime']['snapshots']['mounts']>,
): Promise<() => Promise<Process>> {
  const { spec, id } = container;
  makeSources(container);
  const placed = await placeMounts(core, container);
  makeSharedMemory(core, container);
  const mounts = await layers;
  const sandbox = place.kind === 'host' ? undefined : place.sandbox;
  const owner = place.kind === 'joined' ? place.owner : undefined;
  const users = usersOf(core, container);
  const input: SpecInput = {
    container: { ...container, env: [...linkEnvironment(core.state, container), ...container.env] },
    ...(sandbox === undefined ? {} : { namespacePath: core.reconciler.sandboxPath(sandbox.namespace) }),
    mounts: placed,
    files: containerPaths(core.config, core.state, container),
    ...(users === undefined ? {} : { users }),
    user: resolveUser(mounts, spec.user, spec.groupAdd),
    host: core.host,
    ...(owner === undefined ? {} : { hostname: owner.spec.hostname, domainname: owner.spec.domainname }),
    ...(spec.privileged ? { hostDevices: readHostDevices() } : {}),
    shared: sharedNamespaces(core, container),
    ...defaultsFor(core),
    sysctls: place.kind === 'own' ? otherSysctls(spec) : spec.isolation.sysctls,
    devices: mapDevices(spec.isolation.devices, spec.privileged),
  };
  const description = buildSpec(input);
  // Where the processes are another's, or the host's, somebody reaps them already.
  const wanted = (spec.init ?? core.config.init) && spec.isolation.pid.kind === 'private';
  const complete = wanted ? withInit(description, findInit(core.config.initPath)) : description;
  await core.processes.record(id, complete);
  const runtime = runtimeOf(core, container);
  const choice = { tty: spec.tty, stdin: spec.openStdin, spool: isLogged(container), ...(runtime && { runtime }) };
  const domain = users === undefined ? '' : domainnameOf(input);
  return async () => {
    const process = await core.processes.create(id, complete, mounts, choice);
    if (domain !== '') setDomainName(`/proc/${process.pid}/ns/uts`, domain);
    return process;
  };
}

/** What the daemon's flags say. */
function defaultsFor({ config: { defaults } }: Core): Pick<SpecInput, 'defaultUlimits' | 'defaultSecurity'> {
  return defaults === undefined ? {} : { defaultUlimits: defaults.ulimits, defaultSecurity: defaults };
}

/** `-v` makes what is missing on the host, as a directory. */
function makeSources({ mounts }: Container): void {
  for (const mount of mounts) {
    if (mount.type !== 'bind' || !mount.createSource) continue;
    const { source } = mount;
    try {
      makeDirectories(source);
    } catch (error) {
      const reason = `error while creating mount source path '${source}': ${errorMessage(error)}`;
      throw new EngineError('internal', reason, { cause: error });
    }
  }
}

/** Step by step: Node's own recursive mkdir never returns below /proc, where making a directory fails with ENOENT. */
function makeDirectories(path: string): void {
  if (existsSync(path)) return;
  makeDirectories(dirname(path));
  try {
    mkdirSync(path);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  }
}

/** @throws EngineError internal in Docker's words when the log driver cannot work here */
export function openLog(core: Core, container: Container): ContainerLog {
  const path = containerPaths(core.config, core.state, container).log;
  try {
    // Most often it is there, and looking costs a tenth of making sure.
    if (!existsSync(dirname(path))) mkdirSync(dirname(path), { recursive: true, mode: 0o710 });
    return openContainerLog(container, path, core.logger);
  } catch (error) {
    const reason = `failed to create task for container: failed to initialize logging driver: ${errorMessage(error)}`;
    throw new EngineError('internal', reason, { cause: error });
  }
}

/** Before the process starts, or at once when it is taken up: nothing it says is missed. */
export function connectStreams(session: Session, { io }: Process, log: ContainerLog): void {
  if (io.checkpoint !== undefined) log.protect(io.checkpoint);
  session.connect(io, log);
}
