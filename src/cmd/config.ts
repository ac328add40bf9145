import type { ContainerDefaults, NetworkConfig, ReloadableConfig } from '../engine/config.ts';
import type { LogConfig } from '../model/container.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import { withoutCredentials } from '../model/proxy.ts';
import type { RegistryConfig } from '../model/registry.ts';
import { checkLogConfig } from '../runtime/logs/settings.ts';
import { readConfigFile } from './config-file.ts';
import { parseContainerDefaults } from './container-defaults.ts';
import { foreignWarnings, refuseUnlessDefault } from './foreign.ts';
import { type LogFormat, type LogLevel, parseLogFormat } from './logger.ts';
import { parseNetworkConfig } from './network-config.ts';
import { Reader } from './reader.ts';
import { parseCount, parseInsecureRegistry, parseMirror } from './registry-options.ts';
import { parseRuntimes } from './runtimes.ts';
import { type Given, type SettingName, settingEntries } from './settings/index.ts';
import {
  type ListenAddress,
  parseLabels,
  parseListenAddress,
  parseLogLevel,
  parseMetricsAddress,
  parseShutdownTimeout,
} from './values.ts';

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
  readonly containerdNamespace?: string;
  readonly logLevel: LogLevel;
  readonly logFormat?: LogFormat;
  readonly tls?: TlsFiles;
  readonly dangerousTcp: boolean;
  /** What SIGHUP reads again */
  readonly reloadable: ReloadableConfig;
  readonly init: boolean;
  readonly initPath?: string;
  readonly leaveNoTrace: boolean;
  readonly network: NetworkConfig;
  readonly defaults: ContainerDefaults;
  /** default, user[:group], uid[:gid] */
  readonly usernsRemap?: string;
  readonly log: LogConfig;
  readonly metrics?: { readonly host: string; readonly port: number };
  /** What the environment should say of proxies, by the variables' names */
  readonly proxies: Readonly<Record<string, string>>;
  /** Settings without an effect, a sentence each */
  readonly warnings: readonly string[];
}

/**
 * Flags and daemon.json together, as dockerd merges them.
 * @param defaultFile read when none is named, if it is there
 * @param environment of the daemon: dockerd is told a few things there alone
 * @throws EngineError invalidArgument with dockerd's words: an unknown key, a key given twice, a bad value
 */
export function loadConfig(
  flags: Given,
  configFile: string | undefined,
  defaultFile = '/etc/fairway/daemon.json',
  environment: NodeJS.ProcessEnv = {},
): DaemonConfig {
  const file = readConfigFile(configFile, defaultFile);
  refuseTwice(flags, file);
  const given = { ...fromEnvironment(environment), ...file, ...flags };
  refuseUnlessDefault(new Reader(given));
  return { ...parseConfig(new Reader(given)), warnings: foreignWarnings(given) };
}

/** Docker's DOCKER_INSECURE_NO_IPTABLES_RAW leaves the rules away that keep others from the containers' own addresses. */
function fromEnvironment({ DOCKER_FIREWALL_BACKEND, DOCKER_INSECURE_NO_IPTABLES_RAW }: NodeJS.ProcessEnv): Given {
  return {
    ...(DOCKER_FIREWALL_BACKEND === undefined ? {} : { firewallBackend: DOCKER_FIREWALL_BACKEND }),
    ...(DOCKER_INSECURE_NO_IPTABLES_RAW === '1' ? { allowDirectRouting: 'true' } : {}),
  };
}

/** Neither wins: dockerd refuses to start then, and so do we. @throws EngineError invalidArgument naming all of them */
function refuseTwice(flags: Given, file: Given): void {
  const shown = (value: unknown) => (Array.isArray(value) ? `[${value.join(' ')}]` : withoutCredentials(String(value)));
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

/** @throws EngineError invalidArgument in dockerd's words */
function parseConfig(read: Reader): Omit<DaemonConfig, 'warnings'> {
  const execRoot = read.text('execRoot') ?? '/run/fairway';
  const tls = parseTls(read);
  const hosts = read.list('hosts').map((text) => parseListenAddress(text, tls.tls !== undefined));
  const config = {
    hosts: hosts.length > 0 ? hosts : [parseListenAddress('')],
    dataRoot: read.text('dataRoot') ?? '/var/lib/fairway',
    execRoot,
    pidfile: read.text('pidfile') ?? `${execRoot}/fairwayd.pid`,
    ...read.optional('group', 'group', String),
    ...read.optional('containerd', 'containerd', String),
    ...read.optional('containerdNamespace', 'containerdNamespace', parseNamespace),
    logLevel: read.flag('debug', 'debug', false) ? 'debug' : parseLogLevel(read.text('logLevel') ?? 'info'),
    ...read.optional('logFormat', 'logFormat', parseLogFormat),
    ...tls,
    dangerousTcp: read.flag('dangerousTcp', 'dangerously-serve-tcp-without-tls', false),
    reloadable: parseReloadable(read),
    init: read.flag('init', 'init', false),
    ...read.optional('initPath', 'initPath', String),
    leaveNoTrace: read.flag('leaveNoTrace', 'leave-no-trace', false),
    network: parseNetworkConfig(read),
    defaults: parseContainerDefaults({
      ulimits: read.list('defaultUlimits'),
      noNewPrivileges: read.flag('noNewPrivileges', 'no-new-privileges', false),
      seccompProfile: read.text('seccompProfile') ?? 'builtin',
      ...read.optional('ipcMode', 'defaultIpcMode', String),
      ...read.optional('cgroupNamespace', 'defaultCgroupnsMode', String),
      ...read.optional('shmSize', 'defaultShmSize', String),
    }),
    ...read.optional('usernsRemap', 'usernsRemap', String),
    log: parseLog(read),
    ...read.optional('metrics', 'metricsAddress', parseMetricsAddress),
    proxies: {
      ...read.optional('HTTP_PROXY', 'httpProxy', String),
      ...read.optional('HTTPS_PROXY', 'httpsProxy', String),
      ...read.optional('NO_PROXY', 'noProxy', String),
    },
  } as const;
  refuseOpenTcp(config);
  refuseForeignImages(config);
  return config;
}

/** containerd: identifiers/validate.go @throws EngineError invalidArgument */
function parseNamespace(text: string): string {
  if (text.length <= 76 && /^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$/.test(text)) return text;
  throw new EngineError('invalidArgument', `invalid containerd namespace "${text}"`);
}

function parseReloadable(read: Reader): ReloadableConfig {
  return {
    debug: read.flag('debug', 'debug', false),
    labels: parseLabels(read.list('labels')),
    liveRestore: read.flag('liveRestore', 'live-restore', true),
    shutdownTimeout: parseShutdownTimeout(read.text('shutdownTimeout') ?? '15'),
    registry: parseRegistryConfig(read),
    runtimes: parseRuntimes(read.list('runtimes'), read.text('defaultRuntime') ?? 'runc'),
  };
}

/** Layers have other owners for remapped containers, and go by the same names. */
function refuseForeignImages({ containerd, usernsRemap }: Pick<DaemonConfig, 'containerd' | 'usernsRemap'>): void {
  if (containerd === undefined || usernsRemap === undefined) return;
  throw new EngineError(
    'invalidArgument',
    '--userns-remap needs a containerd of its own: it cannot be used with --containerd',
  );
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
function refuseOpenTcp(config: Pick<DaemonConfig, 'hosts' | 'tls' | 'dangerousTcp'>): void {
  const tcp = config.hosts.find((host) => host.kind === 'tcp');
  if (tcp === undefined || config.tls !== undefined || config.dangerousTcp) return;
  throw new EngineError(
    'invalidArgument',
    `refusing to listen on tcp://${tcp.host}:${tcp.port} without TLS: anyone who reaches it is root on this machine. ` +
      'Use --tlsverify with --tlscacert, --tlscert and --tlskey, or --dangerously-serve-tcp-without-tls',
  );
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
