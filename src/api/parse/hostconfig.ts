import { type IpAddress, isIpAddress, parseIpAddress } from '../../model/address.ts';
import type { ContainerSpec, EndpointLink, LogConfig } from '../../model/container.ts';
import { invalid } from '../status.ts';
import { parseLinks } from './endpoint.ts';
import type { Fields } from './fields.ts';
import { parseIsolation } from './isolation.ts';
import { parseNetworkMode } from './mode.ts';
import { parseMounts } from './mounts.ts';
import { parsePortBindings } from './ports.ts';
import { parseResources } from './resources.ts';
import { parseRestartPolicy } from './restart-policy.ts';

/** The part Docker calls HostConfig: what ties a container to its host. */
export type HostOptions = Pick<
  ContainerSpec,
  | 'networkMode'
  | 'portBindings'
  | 'publishAll'
  | 'mounts'
  | 'volumesFrom'
  | 'autoRemove'
  | 'restartPolicy'
  | 'init'
  | 'privileged'
  | 'capAdd'
  | 'capDrop'
  | 'groupAdd'
  | 'readOnlyRoot'
  | 'securityOptions'
  | 'cgroupNamespace'
  | 'logConfig'
  | 'dns'
  | 'dnsOptions'
  | 'dnsSearch'
  | 'extraHosts'
  | 'isolation'
  | 'consoleSize'
  | 'resources'
  | 'cgroupParent'
  | 'oomScoreAdj'
>;

export interface HostConfig {
  readonly options: HostOptions;
  /** The main network's; some network modes have no room for them */
  readonly links: readonly EndpointLink[];
}

/** The CLI's names for what is refused when it is set. */
const FLAGS: Readonly<Record<string, string>> = {
  CpuRealtimePeriod: '--cpu-rt-period',
  CpuRealtimeRuntime: '--cpu-rt-runtime',
  DeviceRequests: '--gpus, or a CDI device',
  KernelMemory: '--kernel-memory',
  StorageOpt: '--storage-opt',
  VolumeDriver: '--volume-driver',
};

/** What clients say to ask for what happens anyway. */
const HARMLESS: Readonly<Record<string, readonly unknown[]>> = {
  VolumeDriver: ['local'],
};

/**
 * HostConfig, whose forty fields the CLI sends with every container. What is set and has no meaning here is refused, so
 * that nobody believes in a memory limit that is none.
 * @throws EngineError invalidArgument naming the option
 */
export function parseHostConfig(fields: Fields): HostConfig {
  const links = parseLinks(fields.texts('Links'));
  const options: HostOptions = {
    networkMode: parseNetworkMode(fields.text('NetworkMode')),
    portBindings: parsePortBindings(fields.entries('PortBindings')),
    publishAll: fields.flag('PublishAllPorts'),
    mounts: parseMounts({
      binds: fields.texts('Binds'),
      mounts: fields.children('Mounts'),
      tmpfs: fields.map('Tmpfs'),
    }),
    volumesFrom: fields.texts('VolumesFrom'),
    autoRemove: fields.flag('AutoRemove'),
    restartPolicy: parseRestartPolicy(fields.child('RestartPolicy')) ?? { name: 'no', maximumRetries: 0 },
    ...parseInit(fields),
    privileged: fields.flag('Privileged'),
    capAdd: fields.command('CapAdd') ?? [],
    capDrop: fields.command('CapDrop') ?? [],
    groupAdd: fields.texts('GroupAdd'),
    readOnlyRoot: fields.flag('ReadonlyRootfs'),
    securityOptions: fields.texts('SecurityOpt'),
    ...parseCgroupNamespace(fields.text('CgroupnsMode')),
    logConfig: parseLogConfig(fields.child('LogConfig')),
    ...parseNameOptions(fields),
    ...parseLimits(fields),
    isolation: parseIsolation(fields),
    ...parseConsoleSize(fields.integers('ConsoleSize')),
  };
  refuseRest(fields);
  if (options.autoRemove && options.restartPolicy.name !== 'no') {
    throw invalid("can't create 'AutoRemove' container with restart policy");
  }
  return { options, links };
}

/** False is not absent: the daemon may have another default. */
function parseInit(fields: Fields): Pick<HostOptions, 'init'> {
  const no = fields.isFalse('Init');
  const init = fields.flag('Init');
  return no || init ? { init } : {};
}

function parseCgroupNamespace(mode: string): Pick<HostOptions, 'cgroupNamespace'> {
  if (mode === '') return {};
  if (mode !== 'host' && mode !== 'private') throw invalid(`invalid cgroup namespace mode: ${mode}`);
  return { cgroupNamespace: mode };
}

/** Which driver there is and what it understands, the engine knows. */
function parseLogConfig(fields: Fields): LogConfig {
  const config = { driver: fields.text('Type'), options: fields.map('Config') };
  fields.close();
  return config;
}

/** What the container may use. @throws EngineError invalidArgument in Docker's words */
function parseLimits(fields: Fields): Pick<HostOptions, 'resources' | 'cgroupParent' | 'oomScoreAdj'> {
  const cgroupParent = fields.text('CgroupParent');
  const oomScoreAdj = fields.integer('OomScoreAdj') ?? 0;
  if (oomScoreAdj < -1000 || oomScoreAdj > 1000) {
    throw invalid(`Invalid value ${oomScoreAdj}, range for oom score adj is [-1000, 1000]`);
  }
  return { resources: parseResources(fields), ...(cgroupParent === '' ? {} : { cgroupParent }), oomScoreAdj };
}

/** How names are resolved in the container: resolv.conf and hosts. */
function parseNameOptions(fields: Fields): Pick<HostOptions, 'dns' | 'dnsOptions' | 'dnsSearch' | 'extraHosts'> {
  return {
    dns: fields.texts('Dns').map(parseNameServer),
    dnsOptions: fields.texts('DnsOptions'),
    dnsSearch: fields.texts('DnsSearch'),
    extraHosts: fields.texts('ExtraHosts').map(parseExtraHost),
  };
}

/** The CLI has checked it already; other clients have not. */
function parseNameServer(text: string): IpAddress {
  if (!isIpAddress(text)) throw invalid(`invalid nameserver address: ${text}`);
  return parseIpAddress(text);
}

/** "host:address"; the address may be host-gateway and, for IPv6, in brackets. Docker's API takes "=" for ":", too. */
export function parseExtraHost(text: string): string {
  const [, host, address = ''] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
  if (host === undefined) throw invalid(`bad format for add-host: "${text}"`);
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  if (bare !== 'host-gateway' && !isIpAddress(bare)) throw invalid(`invalid IP address in add-host: "${bare}"`);
  return `${host}:${bare}`;
}

/** Rows and columns; [0, 0] from a client without a terminal. */
function parseConsoleSize([rows = 0, columns = 0]: readonly number[]): Pick<HostOptions, 'consoleSize'> {
  return rows > 0 && columns > 0 ? { consoleSize: [rows, columns] } : {};
}

/** Everything of HostConfig that is set and was not read. @throws EngineError invalidArgument naming the option */
function refuseRest(fields: Fields): void {
  for (const [name, values] of Object.entries(HARMLESS)) fields.allow(name, ...values);
  // The CLI writes the file itself.
  fields.ignore('ContainerIDFile');
  fields.close(FLAGS);
}
