import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  addHosts,
  findHosts,
  type HostRecord,
  ownRecord,
  parseExtraHosts,
  removeHosts,
  renderHostname,
  renderHosts,
} from '../dns/hosts.ts';
import { addressOf, FAMILIES, type IpAddress, parseIpAddress, prefixContains } from '../model/address.ts';
import type { Container } from '../model/container.ts';
import { errorMessage } from '../model/errors.ts';
import type { Endpoint } from '../model/network.ts';
import type { EngineConfig } from './config.ts';
import { linkRecords } from './container-links.ts';
import { containerPaths } from './container-paths.ts';
import type { Core } from './core.ts';
import { gatewayOf } from './gateway.ts';
import { giveToContainers } from './remap.ts';
import { overwrite, refreshResolvConf, writeResolvConf } from './resolv-conf.ts';
import type { State } from './state.ts';
import { disablesIPv6 } from './sysctls.ts';

/** The host's own, which containers in host mode see a copy of. */
const HOST_HOSTS = '/etc/hosts';

/** Writes hosts, hostname and resolv.conf of a container that starts. @param resolver it asks the embedded resolver */
export function writeSandboxFiles(core: Core, container: Container, endpoints: readonly Endpoint[], resolver: boolean) {
  const paths = containerPaths(core.config, core.state, container);
  mkdirSync(dirname(paths.hosts), { recursive: true, mode: 0o710 });
  writeHosts(core, container, endpoints, paths.hosts);
  writeFileSync(paths.hostname, renderHostname(container.spec.hostname), { mode: 0o644 });
  writeResolvConf(core, container, endpoints, resolver);
  giveToContainers(core.config.remap, [paths.hosts, paths.hostname, paths.resolvConf]);
}

function writeHosts({ state, config }: Core, container: Container, endpoints: readonly Endpoint[], path: string): void {
  const { extraHosts, networkMode } = container.spec;
  if (networkMode.kind === 'host' && extraHosts.length === 0) {
    copyFileSync(HOST_HOSTS, path);
    return;
  }
  const extra = [...parseExtraHosts(extraHosts, hostGateways(state, config)), ...linkRecords(state, container)];
  const own = endpoints.flatMap((endpoint) => recordsOf(container, endpoint));
  const ipv6 = !disablesIPv6(container.spec);
  writeFileSync(path, renderHosts({ extra, own, ipv6 }), { mode: 0o644 });
}

/** What `host-gateway` means: what the daemon was told, else the default network's way out. */
export function hostGateways(state: State, { network: { hostGateways: told } }: EngineConfig): readonly IpAddress[] {
  if (told.length > 0) return told;
  const network = state.networkNamed('bridge');
  return network === undefined ? [] : FAMILIES.flatMap((family) => gatewayOf(network, family) ?? []);
}

function recordsOf({ spec }: Container, { addresses }: Endpoint): HostRecord[] {
  return addresses.map((address) => ownRecord(addressOf(address), spec.hostname, spec.domainname));
}

function ownNames({ spec }: Container): string {
  return ownRecord(parseIpAddress('0.0.0.0'), spec.hostname, spec.domainname).names;
}

export interface FileUpdate {
  readonly added?: Endpoint;
  readonly removed?: Endpoint;
}

/**
 * Follows a connect or disconnect while the container runs. The files are bind-mounted into it, so they are written in
 * place; what the container wrote into them stays.
 */
export function updateSandboxFiles(core: Core, container: Container, { removed, added }: FileUpdate): void {
  changeHosts(core, container, (hosts) => {
    const rest = removed === undefined ? hosts : removeHosts(hosts, recordsOf(container, removed));
    return added === undefined ? rest : addHosts(rest, recordsOf(container, added));
  });
  follow(core, container, () => refreshResolvConf(core, container));
}

/**
 * Of a container that ran on while there was no daemon: a connect or disconnect may have been cut off before its files followed. Lines
 * of its own name speak of the addresses it has, and of none that networks gave it before. resolv.conf is for refreshAllResolvConf().
 */
export function restoreSandboxFiles(core: Core, container: Container): void {
  const { spec, id } = container;
  if (spec.networkMode.kind !== 'network') return;
  const { state } = core;
  const own = state.endpointsOf(id).flatMap((endpoint) => recordsOf(container, endpoint));
  const isOwn = (record: HostRecord) => own.some(({ address }) => address === record.address);
  const pools = [...state.networks.values()].flatMap((network) => network.pools);
  const isGiven = ({ address }: HostRecord) => pools.some(({ subnet }) => prefixContains(subnet, address));
  changeHosts(core, container, (hosts) => {
    const found = findHosts(hosts, ownNames(container));
    const stale = found.filter((record) => !isOwn(record) && isGiven(record));
    const missing = own.filter(({ address }) => !found.some((record) => record.address === address));
    return addHosts(removeHosts(hosts, stale), missing);
  });
}

function changeHosts(core: Core, container: Container, change: (hosts: string) => string): void {
  const paths = containerPaths(core.config, core.state, container);
  follow(core, container, () => {
    const hosts = readFileSync(paths.hosts, 'utf8');
    const changed = change(hosts);
    if (changed !== hosts) overwrite(paths.hosts, changed);
  });
}

/** The network is as asked; a container that took away its own files gets no new ones. */
function follow(core: Core, container: Container, work: () => void): void {
  try {
    work();
  } catch (error) {
    core.logger.warn('the files of a container could not be updated', {
      container: container.name,
      error: errorMessage(error),
    });
  }
}
