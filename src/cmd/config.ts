import { existsSync, readFileSync } from 'node:fs';
import type { ContainerDefaults, NetworkConfig } from '../engine/config.ts';
import type { LogConfig } from '../model/container.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import type { RegistryConfig } from '../model/registry.ts';
import { checkLogConfig } from '../runtime/logs/settings.ts';
import { parseContainerDefaults } from './container-defaults.ts';
import type { LogLevel } from './logger.ts';
import {
  type Given,
  type ListenAddress,
  parseAddressFlag,
  parseAddressPool,
  parseBip,
  parseBoolean,
  parseCidrFlag,
  parseListenAddress,
  parseLogLevel,
  parseMetricsAddress,
  parseMtu,
  type Setting,
  type SettingName,
  settingEntries,
} from './options.ts';
import { parseCount, parseInsecureRegistry, parseMirror } from './registry-options.ts';

/** Paths of PEM files. */
interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Everything the daemon was told, parsed. */
export interface DaemonConfig {
  readonly hosts: readonly ListenAddress[];
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidfile: string;
  readonly group?: string;
  readonly containerd?: string;
  readonly logLevel: LogLevel;
  readonly tls?: TlsFiles;
  readonly dangerousTcp: boolean;
  readonly liveRestore: boolean;
  readonly init: boolean;
  readonly initPath?: string;
  readonly leaveNoTrace: boolean;
  readonly network: NetworkConfig;
  readonly defaults: ContainerDefaults;
  readonly log: LogConfig;
  readonly metrics?: { readonly host: string; readonly port: number };
  readonly registry: RegistryConfig;
}

export const DEFAULT_SOCKET = '/run/fairway/fairway.sock';
const DEFAULT_CONFIG_FILE = '/etc/fairway/daemon.json';

/**
 * Flags and daemon.json together, as dockerd merges them.
 * @throws EngineError invalidArgument with dockerd's words: an unknown key, a key given twice, a bad value
 */
export function loadConfig(flags: Given, configFile: string | undefined): DaemonConfig {
  const file = readConfigFile(configFile);
  refuseTwice(flags, file);
  return parseConfig({ ...file, ...flags });
}

/** Settings of a daemon.json. A missing default file, an empty file and /dev/null say nothing. */
function readConfigFile(path: string | undefined): Given {
  if (path === undefined && !existsSync(DEFAULT_CONFIG_FILE)) return {};
  const name = path ?? DEFAULT_CONFIG_FILE;
  const failed = (why: string, cause?: unknown) =>
    new EngineError('invalidArgument', `unable to configure the Fairway daemon with file ${name}: ${why}`, { cause });
  let content: unknown;
  try {
    const text = readFileSync(name, 'utf8').trim();
    content = text === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw failed(errorMessage(error), error);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw failed('it must hold a JSON object');
  return fromJson(content as Readonly<Record<string, unknown>>, failed);
}

/** By the file's keys. @throws EngineError invalidArgument, made by `failed`, that names every unknown key */
function fromJson(content: Readonly<Record<string, unknown>>, failed: (why: string) => EngineError): Given {
  const byKey = new Map(
    settingEntries().flatMap(([name, setting]) =>
      setting.key === undefined ? [] : [[setting.key, { name, setting }] as const],
    ),
  );
  const unknown = Object.keys(content).filter((key) => !byKey.has(key));
  if (unknown.length > 0)
    throw failed(`the following directives don't match any configuration option: ${unknown.join(', ')}`);
  const given: Given = {};
  for (const [key, value] of Object.entries(content)) {
    const known = byKey.get(key);
    if (known === undefined) continue;
    given[known.name] = settingText(known.setting, value, () =>
      failed(`the value of "${key}" must be a ${jsonType(known.setting)}`),
    );
  }
  return given;
}

function jsonType(setting: Setting): string {
  return { text: 'string or number', flag: 'boolean', list: 'list' }[setting.kind];
}

/** The file's JSON in the words of the command line, so that both are parsed by the same code. */
function settingText(setting: Setting, value: unknown, wrong: () => EngineError): string | readonly string[] {
  if (setting.kind === 'list') {
    if (setting.key === 'log-opts') return pairsOf(value, wrong);
    if (setting.key === 'default-ulimits') return ulimitsOf(value, wrong);
    if (!Array.isArray(value)) throw wrong();
    return value.map((item: unknown) => listItem(item, wrong));
  }
  if (setting.kind === 'flag' && typeof value === 'boolean') return String(value);
  if (setting.kind === 'text' && (typeof value === 'string' || typeof value === 'number')) return String(value);
  throw wrong();
}

/** {"max-size": "10m"} */
function pairsOf(value: unknown, wrong: () => EngineError): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong();
  return Object.entries(value).map(([name, item]: [string, unknown]) => {
    if (typeof item !== 'string') throw wrong();
    return `${name}=${item}`;
  });
}

/** {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 2048}} */
function ulimitsOf(value: unknown, wrong: () => EngineError): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong();
  return Object.entries(value).map(([name, limit]) => {
    if (typeof limit !== 'object' || limit === null) throw wrong();
    return `${name}=${String(limit.Soft)}:${String(limit.Hard)}`;
  });
}

/** A string, or an address pool as an object: {"base": "10.10.0.0/16", "size": 24}. */
function listItem(item: unknown, wrong: () => EngineError): string {
  if (typeof item === 'string') return item;
  if (typeof item !== 'object' || item === null) throw wrong();
  return Object.entries(item)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join();
}

/** Neither wins: dockerd refuses to start then, and so do we. @throws EngineError invalidArgument naming all of them */
function refuseTwice(flags: Given, file: Given): void {
  const shown = (value: unknown) => (Array.isArray(value) ? `[${value.join(' ')}]` : String(value));
  const twice = settingEntries().filter(([name]) => flags[name] !== undefined && file[name] !== undefined);
  if (twice.length === 0) return;
  const list = twice.map(
    ([name, setting]) => `${setting.key}: (from flag: ${shown(flags[name])}, from file: ${shown(file[name])})`,
  );
  throw new EngineError(
    'invalidArgument',
    `the following directives are specified both as a flag and in the configuration file: ${list.join(', ')}`,
  );
}

/** Reads single settings out of what was given, with their defaults. */
class Reader {
  readonly #given: Given;

  constructor(given: Given) {
    this.#given = given;
  }

  /** '' counts as not given. */
  text(name: SettingName): string | undefined {
    const value = this.#given[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  list(name: SettingName): readonly string[] {
    const value = this.#given[name];
    return value === undefined ? [] : typeof value === 'string' ? [value] : value;
  }

  flag(name: SettingName, key: string, otherwise: boolean): boolean {
    const value = this.text(name);
    return value === undefined ? otherwise : parseBoolean(key, value);
  }

  /** {} when the setting was not given, so that it can be spread into an exact optional field. */
  optional<Field extends string, T>(field: Field, name: SettingName, parse: (text: string) => T): { [K in Field]?: T } {
    const value = this.text(name);
    return value === undefined ? {} : ({ [field]: parse(value) } as { [K in Field]?: T });
  }
}

/** @throws EngineError invalidArgument in dockerd's words */
function parseConfig(given: Given): DaemonConfig {
  const read = new Reader(given);
  const execRoot = read.text('execRoot') ?? '/run/fairway';
  const hosts = read.list('hosts').map(parseListenAddress);
  const config: DaemonConfig = {
    hosts: hosts.length > 0 ? hosts : [{ kind: 'unix', path: DEFAULT_SOCKET }],
    dataRoot: read.text('dataRoot') ?? '/var/lib/fairway',
    execRoot,
    pidfile: read.text('pidfile') ?? `${execRoot}/fairwayd.pid`,
    ...read.optional('group', 'group', String),
    ...read.optional('containerd', 'containerd', String),
    logLevel: read.flag('debug', 'debug', false) ? 'debug' : parseLogLevel(read.text('logLevel') ?? 'info'),
    ...parseTls(read),
    dangerousTcp: read.flag('dangerousTcp', 'dangerously-serve-tcp-without-tls', false),
    liveRestore: read.flag('liveRestore', 'live-restore', true),
    init: read.flag('init', 'init', false),
    ...read.optional('initPath', 'initPath', String),
    leaveNoTrace: read.flag('leaveNoTrace', 'leave-no-trace', false),
    network: parseNetworkConfig(read),
    defaults: parseContainerDefaults({
      ulimits: read.list('defaultUlimits'),
      noNewPrivileges: read.flag('noNewPrivileges', 'no-new-privileges', false),
      seccompProfile: read.text('seccompProfile') ?? 'builtin',
      ...read.optional('usernsRemap', 'usernsRemap', String),
    }),
    log: parseLog(read),
    ...read.optional('metrics', 'metricsAddress', parseMetricsAddress),
    registry: parseRegistryConfig(read),
  };
  refuseOpenTcp(config);
  return config;
}

/** @throws EngineError invalidArgument in dockerd's words */
function parseLog(read: Reader): LogConfig {
  const pairs = read.list('logOptions').map((text): [string, string] => {
    const [name = '', ...value] = text.split('=');
    if (value.length > 0) return [name, value.join('=')];
    throw new EngineError('invalidArgument', `invalid argument "${text}" for "--log-opt" flag: it must be NAME=VALUE`);
  });
  const log = { driver: read.text('logDriver') ?? 'json-file', options: Object.fromEntries(pairs) };
  try {
    checkLogConfig(log);
  } catch (error) {
    throw new EngineError('invalidArgument', `failed to set log opts: ${errorMessage(error)}`, { cause: error });
  }
  return log;
}

/** `--tls` and `--tlsverify` mean the same here: clients always show a certificate. @throws EngineError invalidArgument */
function parseTls(read: Reader): { tls?: TlsFiles } {
  const wanted = read.flag('tlsVerify', 'tlsverify', false) || read.flag('tls', 'tls', false);
  const [ca, cert, key] = [read.text('tlsCaCert'), read.text('tlsCert'), read.text('tlsKey')];
  if (!wanted) return {};
  if (ca === undefined || cert === undefined || key === undefined) {
    throw new EngineError('invalidArgument', 'TLS needs --tlscacert, --tlscert and --tlskey');
  }
  return { tls: { ca, cert, key } };
}

/** Whoever reaches an open TCP port owns the machine, so it takes a flag that says so. */
function refuseOpenTcp(config: DaemonConfig): void {
  const tcp = config.hosts.find((host) => host.kind === 'tcp');
  if (tcp === undefined || config.tls !== undefined || config.dangerousTcp) return;
  throw new EngineError(
    'invalidArgument',
    `refusing to listen on tcp://${tcp.host}:${tcp.port} without TLS: anyone who reaches it is root on this machine. ` +
      'Use --tlsverify with --tlscacert, --tlscert and --tlskey, or --dangerously-serve-tcp-without-tls',
  );
}

/** @throws EngineError invalidArgument in dockerd's words */
function parseNetworkConfig(read: Reader): NetworkConfig {
  const bip = read.text('bip');
  const bridge = read.text('bridge');
  if (bip !== undefined && bridge !== undefined && bridge !== 'docker0') {
    throw new EngineError(
      'invalidArgument',
      'You specified -b & --bip, mutually exclusive options. Please specify only one',
    );
  }
  return {
    ...read.optional('bip', 'bip', parseBip),
    mtu: parseMtu(read.text('mtu') ?? '1500'),
    ...read.optional('bridge', 'bridge', String),
    icc: read.flag('icc', 'icc', true),
    ip: parseAddressFlag('ip', read.text('ip') ?? '0.0.0.0'),
    ...read.optional('fixedCidr', 'fixedCidr', (text) => parseCidrFlag('fixed-cidr', text)),
    ...read.optional('defaultGateway', 'defaultGateway', (text) => parseAddressFlag('default-gateway', text)),
    defaultAddressPools: read.list('defaultAddressPools').map(parseAddressPool),
    dns: read.list('dns').map((text) => parseAddressFlag('dns', text)),
    dnsOptions: read.list('dnsOptions'),
    dnsSearch: read.list('dnsSearch'),
    ipForward: read.flag('ipForward', 'ip-forward', true),
    ipMasq: read.flag('ipMasq', 'ip-masq', true),
  };
}

function parseRegistryConfig(read: Reader): RegistryConfig {
  const count = (name: SettingName, flag: string, otherwise: number) => {
    const text = read.text(name);
    return text === undefined ? otherwise : parseCount(flag, text);
  };
  return {
    mirrors: read.list('registryMirrors').map(parseMirror),
    insecure: read.list('insecureRegistries').map(parseInsecureRegistry),
    maxConcurrentDownloads: count('maxConcurrentDownloads', 'max-concurrent-downloads', 3),
    maxConcurrentUploads: count('maxConcurrentUploads', 'max-concurrent-uploads', 5),
    maxDownloadAttempts: count('maxDownloadAttempts', 'max-download-attempts', 5),
  };
}
