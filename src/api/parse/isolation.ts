import type { DeviceMapping, Isolation, NamespaceMode, Ulimit } from '../../model/isolation.ts';
import { invalid } from '../status.ts';
import type { Fields } from './fields.ts';

/** Docker's pattern of a rule for the device cgroup: type, numbers, access. */
const DEVICE_RULE = /^[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}$/;

/**
 * What of HostConfig separates a container from its host.
 * @throws EngineError invalidArgument in Docker's words
 */
export function parseIsolation(fields: Fields): Isolation {
  const shmSize = fields.integer('ShmSize') ?? 0;
  if (shmSize < 0) throw invalid('SHM size can not be less than 0');
  const isolation = fields.text('Isolation');
  if (isolation !== '' && isolation.toLowerCase() !== 'default') {
    throw invalid(`invalid isolation (${isolation}): linux only supports 'default'`);
  }
  const runtime = fields.text('Runtime');
  const annotations = fields.map('Annotations');
  if ('' in annotations) {
    throw invalid('invalid Annotations: the empty string is not permitted as an annotation key');
  }
  return {
    pid: parseNamespace(fields.text('PidMode'), 'PID'),
    ...parseIpc(fields.text('IpcMode')),
    hostUts: parseHostOnly(fields.text('UTSMode'), 'UTS'),
    hostUser: parseHostOnly(fields.text('UsernsMode'), 'user namespace'),
    shmSize,
    ulimits: fields.children('Ulimits').map(parseUlimit),
    sysctls: fields.map('Sysctls'),
    devices: fields.children('Devices').map(parseDevice),
    deviceRules: fields.texts('DeviceCgroupRules').map(checkDeviceRule),
    annotations,
    ...parsePaths(fields),
    technology: isolation,
    ...(runtime === '' ? {} : { runtime }),
  };
}

function parseNamespace(text: string, what: string): NamespaceMode {
  if (text === '') return { kind: 'private' };
  if (text === 'host') return { kind: 'host' };
  const container = /^container:(.+)$/.exec(text)?.[1];
  if (container === undefined) throw invalid(`invalid ${what} mode: ${text}`);
  return { kind: 'container', container };
}

function parseIpc(text: string): Pick<Isolation, 'ipc'> {
  if (text === '') return {};
  if (text === 'private' || text === 'shareable' || text === 'none') return { ipc: { kind: text } };
  return { ipc: parseNamespace(text, 'IPC') };
}

function parseHostOnly(text: string, what: string): boolean {
  if (text !== '' && text !== 'host') throw invalid(`invalid ${what} mode: ${text}`);
  return text === 'host';
}

/** The names of getrlimit(2). */
const ULIMITS = new Set(
  'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' '),
);

function parseUlimit(fields: Fields): Ulimit {
  const [name, soft, hard] = [fields.text('Name'), fields.integer('Soft') ?? 0, fields.integer('Hard') ?? 0];
  fields.close();
  return checkUlimit({ name, soft, hard });
}

/** @throws EngineError invalidArgument in the docker CLI's words */
function checkUlimit(ulimit: Ulimit): Ulimit {
  const { name, soft, hard } = ulimit;
  if (!ULIMITS.has(name)) throw invalid(`invalid ulimit type: ${name}`);
  if (soft < -1 || hard < -1) throw invalid(`invalid ulimit ${name}: ${soft}:${hard}`);
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw invalid(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  return ulimit;
}

/** Without a path in the container it is the host's, without permissions all. */
function parseDevice(fields: Fields): DeviceMapping {
  const host = fields.text('PathOnHost');
  const container = fields.text('PathInContainer');
  const permissions = fields.text('CgroupPermissions');
  fields.close();
  if (!host.startsWith('/') || (container !== '' && !container.startsWith('/'))) {
    throw invalid(`invalid device "${host}:${container}": paths must be absolute`);
  }
  if (!/^[rwm]*$/.test(permissions)) throw invalid(`invalid device mode: ${permissions}`);
  return {
    host,
    container: container === '' ? host : container,
    permissions: permissions === '' ? 'rwm' : permissions,
  };
}

function checkDeviceRule(rule: string): string {
  if (!DEVICE_RULE.test(rule)) throw invalid(`invalid device cgroup rule format: '${rule}'`);
  return rule;
}

/** An empty list differs from none: it asks that nothing be masked (`--security-opt systempaths=unconfined`). */
function parsePaths(fields: Fields): Pick<Isolation, 'maskedPaths' | 'readonlyPaths'> {
  const [masked, readonly] = [fields.command('MaskedPaths'), fields.command('ReadonlyPaths')];
  for (const path of [...(masked ?? []), ...(readonly ?? [])]) {
    if (!path.startsWith('/')) throw invalid(`invalid path "${path}": want an absolute one`);
  }
  return {
    ...(masked === undefined ? {} : { maskedPaths: masked }),
    ...(readonly === undefined ? {} : { readonlyPaths: readonly }),
  };
}
