import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import {
  type ContainerResolvConf,
  hostResolvConf,
  type ResolvMode,
  readIfThere,
  renderContainerResolvConf,
} from '../dns/hostresolv.ts';
import { familyOf } from '../model/address.ts';
import type { Container } from '../model/container.ts';
import { errorMessage } from '../model/errors.ts';
import type { Endpoint } from '../model/network.ts';
import type { EngineConfig } from './config.ts';
import { containerPaths } from './container-paths.ts';
import type { Core } from './core.ts';
import { isUp } from './sandboxes.ts';

export type ResolverSettings = Pick<Container['spec'], 'dns' | 'dnsSearch' | 'dnsOptions' | 'networkMode'>;

/** The container's resolv.conf, and what its resolver must know, from the host's file and the settings as they are now. */
export function resolvConf(
  config: EngineConfig,
  container: { readonly spec: ResolverSettings },
  mode: ResolvMode,
  read = readIfThere,
): ContainerResolvConf {
  const { spec } = container;
  const { network } = config;
  const overrides = {
    nameservers: spec.dns.length > 0 ? spec.dns : network.dns,
    search: spec.dnsSearch.length > 0 ? spec.dnsSearch : network.dnsSearch,
    options: spec.dnsOptions.length > 0 ? spec.dnsOptions : network.dnsOptions,
  };
  return renderContainerResolvConf(hostResolvConf(mode, read), overrides, mode);
}

/** @param resolver it asks the embedded resolver */
function resolvMode({ spec }: Container, endpoints: readonly Endpoint[], resolver: boolean): ResolvMode {
  if (resolver) return { kind: 'resolver' };
  if (spec.networkMode.kind === 'host') return { kind: 'host' };
  return { kind: 'legacy', ipv6: endpoints.some(({ addresses }) => addresses.some((one) => familyOf(one) === 6)) };
}

/** Writes the file of a container that starts, whatever the last run has left in it. */
export function writeResolvConf(core: Core, container: Container, endpoints: readonly Endpoint[], resolver: boolean) {
  const { resolvConf: path } = containerPaths(core.config, core.state, container);
  const { text } = resolvConf(core.config, container, resolvMode(container, endpoints, resolver));
  writeFileSync(path, text, { mode: 0o644 });
  noteWritten(path, text);
}

/**
 * Brings the file of a running container up to date with its networks and the host's file. One that the container has changed
 * is its own.
 * @param read reads the host's files @throws Error when it cannot be read or written
 */
export function refreshResolvConf({ config, state }: Core, container: Container, read = readIfThere): void {
  const { resolvConf: path } = containerPaths(config, state, container);
  const resolver = state.sandboxes.get(container.sandbox ?? '')?.resolver ?? false;
  const mode = resolvMode(container, state.endpointsOf(container.id), resolver);
  const { text } = resolvConf(config, container, mode, read);
  const noted = readIfThere(digestPath(path));
  // It is what was written last: as it should be, or the container's own by now.
  if (noted === digest(text)) return;
  const current = readFileSync(path, 'utf8');
  if (!noted.split('\n').includes(digest(current)) || text === current) return;
  // Killed anywhere in between, what is found is known to be ours.
  const halfway = Buffer.concat([Buffer.from(text), Buffer.from(current).subarray(Buffer.byteLength(text))]);
  noteWritten(path, current, text, halfway);
  overwrite(path, text);
  noteWritten(path, text);
}

/** After a change on the host: all that run. Whoever shares another's network shares its file. */
export function refreshAllResolvConf(core: Core): void {
  const files = new Map<string, string>();
  const read = (path: string): string => {
    const text = files.get(path) ?? readIfThere(path);
    files.set(path, text);
    return text;
  };
  for (const container of core.state.containers.values()) {
    if (!isUp(container) || container.spec.networkMode.kind === 'container') continue;
    try {
      refreshResolvConf(core, container, read);
    } catch (error) {
      const details = { container: container.name, error: errorMessage(error) };
      core.logger.warn('a container’s resolv.conf could not be brought up to date', details);
    }
  }
}

/** In place, since it is mounted into the container; and never empty meanwhile, since somebody may be reading it. */
export function overwrite(path: string, text: string): void {
  const fd = openSync(path, 'r+');
  try {
    const written = writeSync(fd, text, 0);
    ftruncateSync(fd, written);
  } finally {
    closeSync(fd);
  }
}

/**
 * Beside the file, where Docker keeps it, too: it tells later whether the container has changed what we wrote.
 * @param texts more than one while it is being written
 */
function noteWritten(path: string, ...texts: readonly (string | Buffer)[]): void {
  const note = digestPath(path);
  writeFileSync(`${note}.new`, texts.map(digest).join('\n'), { mode: 0o644 });
  renameSync(`${note}.new`, note);
}

function digestPath(path: string): string {
  return `${path}.hash`;
}

function digest(text: string | Buffer): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
