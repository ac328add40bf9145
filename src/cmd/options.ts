import type { InterfaceAddress } from '../model/address.ts';
import {
  familyOf,
  type IpAddress,
  isIpAddress,
  type Prefix,
  parseInterfaceAddress,
  parseIpAddress,
  parsePrefix,
} from '../model/address.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import type { LogLevel } from './logger.ts';

/** One setting of the daemon: a flag of dockerd's name and meaning, and its key in daemon.json. */
export interface Setting {
  /** As commander writes it: "-b, --bridge <name>" */
  readonly flags: string;
  readonly help: string;
  /** In daemon.json; undefined: only a flag */
  readonly key?: string;
  readonly kind: 'text' | 'flag' | 'list';
}

/** Every setting, by the name the program uses. Names and meanings are dockerd's. */
const SETTINGS = {
  hosts: {
    flags: '-H, --host <socket>',
    key: 'hosts',
    kind: 'list',
    help: 'where to listen: unix://PATH, tcp://ADDRESS:PORT or fd:// for sockets of systemd (repeatable)',
  },
  dataRoot: {
    flags: '--data-root <dir>',
    key: 'data-root',
    kind: 'text',
    help: 'what outlives a restart of the machine',
  },
  execRoot: {
    flags: '--exec-root <dir>',
    key: 'exec-root',
    kind: 'text',
    help: 'what lasts until the machine restarts',
  },
  pidfile: {
    flags: '-p, --pidfile <file>',
    key: 'pidfile',
    kind: 'text',
    help: 'file that holds the daemon’s process id',
  },
  group: {
    flags: '-G, --group <group>',
    key: 'group',
    kind: 'text',
    help: 'group that may use the socket (fairway, else docker)',
  },
  containerd: {
    flags: '--containerd <socket>',
    key: 'containerd',
    kind: 'text',
    help: 'use this containerd instead of a private one',
  },
  debug: { flags: '-D, --debug [bool]', key: 'debug', kind: 'flag', help: 'log more' },
  logLevel: { flags: '-l, --log-level <level>', key: 'log-level', kind: 'text', help: 'debug, info, warn, error' },
  logDriver: {
    flags: '--log-driver <driver>',
    key: 'log-driver',
    kind: 'text',
    help: 'of containers that name none: json-file, local, journald or none (default json-file)',
  },
  logOptions: {
    flags: '--log-opt <name=value>',
    key: 'log-opts',
    kind: 'list',
    help: 'option of the log driver for all containers that use it (repeatable)',
  },
  tls: { flags: '--tls [bool]', key: 'tls', kind: 'flag', help: 'serve TCP with TLS; implied by --tlsverify' },
  tlsVerify: {
    flags: '--tlsverify [bool]',
    key: 'tlsverify',
    kind: 'flag',
    help: 'serve TCP with TLS and check the client’s certificate',
  },
  tlsCaCert: {
    flags: '--tlscacert <file>',
    key: 'tlscacert',
    kind: 'text',
    help: 'trust clients signed by this authority',
  },
  tlsCert: { flags: '--tlscert <file>', key: 'tlscert', kind: 'text', help: 'the daemon’s certificate' },
  tlsKey: { flags: '--tlskey <file>', key: 'tlskey', kind: 'text', help: 'the daemon’s key' },
  metricsAddress: {
    flags: '--metrics-addr <address:port>',
    key: 'metrics-addr',
    kind: 'text',
    help: 'serve figures for Prometheus there, to whoever reaches it',
  },
  dangerousTcp: {
    flags: '--dangerously-serve-tcp-without-tls [bool]',
    kind: 'flag',
    help: 'whoever reaches the port is root on this machine',
  },
  liveRestore: {
    flags: '--live-restore [bool]',
    key: 'live-restore',
    kind: 'flag',
    help: 'containers outlive the daemon (default true)',
  },
  init: {
    flags: '--init [bool]',
    key: 'init',
    kind: 'flag',
    help: 'run an init in containers that forwards signals and reaps processes (default false)',
  },
  defaultUlimits: {
    flags: '--default-ulimit <name=soft:hard>',
    key: 'default-ulimits',
    kind: 'list',
    help: 'rlimit of containers that set none themselves (repeatable)',
  },
  noNewPrivileges: {
    flags: '--no-new-privileges [bool]',
    key: 'no-new-privileges',
    kind: 'flag',
    help: 'containers gain no privileges by set-user-ID programs, unless they say otherwise',
  },
  seccompProfile: {
    flags: '--seccomp-profile <file>',
    key: 'seccomp-profile',
    kind: 'text',
    help: 'seccomp profile of containers that name none: a file, "builtin" or "unconfined"',
  },
  usernsRemap: { flags: '--userns-remap <user>', key: 'userns-remap', kind: 'text', help: 'not supported yet' },
  initPath: { flags: '--init-path <file>', key: 'init-path', kind: 'text', help: 'the program for --init' },
  leaveNoTrace: {
    flags: '--leave-no-trace [bool]',
    kind: 'flag',
    help: 'when the daemon ends, containers and all it made in the kernel go with it',
  },
  bip: { flags: '--bip <cidr>', key: 'bip', kind: 'text', help: 'address and prefix of the default bridge' },
  mtu: { flags: '--mtu <bytes>', key: 'mtu', kind: 'text', help: 'MTU of the default bridge (default 1500)' },
  bridge: {
    flags: '-b, --bridge <name>',
    key: 'bridge',
    kind: 'text',
    help: 'an existing bridge for the default network, or "none"',
  },
  icc: {
    flags: '--icc [bool]',
    key: 'icc',
    kind: 'flag',
    help: 'containers of the default bridge may talk to each other (default true)',
  },
  ip: {
    flags: '--ip <address>',
    key: 'ip',
    kind: 'text',
    help: 'host address that published ports bind by default (default 0.0.0.0)',
  },
  fixedCidr: {
    flags: '--fixed-cidr <cidr>',
    key: 'fixed-cidr',
    kind: 'text',
    help: 'addresses of the default bridge come from this range',
  },
  defaultGateway: {
    flags: '--default-gateway <address>',
    key: 'default-gateway',
    kind: 'text',
    help: 'gateway of containers on the default bridge',
  },
  defaultAddressPools: {
    flags: '--default-address-pool <base=cidr,size=bits>',
    key: 'default-address-pools',
    kind: 'list',
    help: 'where subnets of new networks come from (repeatable)',
  },
  dns: { flags: '--dns <address>', key: 'dns', kind: 'list', help: 'name server of containers (repeatable)' },
  dnsOptions: {
    flags: '--dns-opt <option>',
    key: 'dns-opts',
    kind: 'list',
    help: 'resolver option of containers (repeatable)',
  },
  dnsSearch: {
    flags: '--dns-search <domain>',
    key: 'dns-search',
    kind: 'list',
    help: 'search domain of containers (repeatable)',
  },
  ipForward: {
    flags: '--ip-forward [bool]',
    key: 'ip-forward',
    kind: 'flag',
    help: 'switch forwarding on when a network needs it (default true)',
  },
  ipMasq: {
    flags: '--ip-masq [bool]',
    key: 'ip-masq',
    kind: 'flag',
    help: 'masquerade the default bridge (default true)',
  },
  registryMirrors: {
    flags: '--registry-mirror <url>',
    key: 'registry-mirrors',
    kind: 'list',
    help: 'asked before Docker Hub (repeatable)',
  },
  insecureRegistries: {
    flags: '--insecure-registry <host>',
    key: 'insecure-registries',
    kind: 'list',
    help: 'HOST[:PORT] or CIDR whose certificates are not checked, and that may speak http (repeatable)',
  },
  maxConcurrentDownloads: {
    flags: '--max-concurrent-downloads <count>',
    key: 'max-concurrent-downloads',
    kind: 'text',
    help: 'layers pulled at once (default 3)',
  },
  maxConcurrentUploads: {
    flags: '--max-concurrent-uploads <count>',
    key: 'max-concurrent-uploads',
    kind: 'text',
    help: 'layers pushed at once (default 5)',
  },
  maxDownloadAttempts: {
    flags: '--max-download-attempts <count>',
    key: 'max-download-attempts',
    kind: 'text',
    help: 'how often one layer is asked for (default 5)',
  },
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof SETTINGS;
/** What a source (command line or file) said, before it is parsed. */
export type Given = Partial<Record<SettingName, string | readonly string[]>>;

/** In the order `fairwayd --help` shows them. */
export function settingEntries(): [SettingName, Setting][] {
  return Object.entries(SETTINGS) as [SettingName, Setting][];
}

/** Where a daemon listens: `unix:///run/fairway/fairway.sock`, `tcp://127.0.0.1:2376`. */
export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** Sockets the service manager opened */
  | { readonly kind: 'handed-over' };

/** @throws EngineError invalidArgument in Docker's words */
export function parseListenAddress(text: string): ListenAddress {
  if (text === 'fd://') return { kind: 'handed-over' };
  const unix = /^unix:\/\/(\/.*)$/.exec(text);
  if (unix?.[1] !== undefined) return { kind: 'unix', path: unix[1] };
  const tcp = /^tcp:\/\/(\[[0-9a-f:]+\]|[^:/[\]]*):(\d{1,5})\/?$/i.exec(text);
  if (tcp?.[2] === undefined || Number(tcp[2]) > 65_535) {
    throw new EngineError(
      'invalidArgument',
      `invalid bind address: ${text}: want unix:///PATH, tcp://ADDRESS:PORT or fd://`,
    );
  }
  return { kind: 'tcp', host: (tcp[1] ?? '').replace(/^\[|\]$/g, '') || '127.0.0.1', port: Number(tcp[2]) };
}

/** "127.0.0.1:9323" @throws EngineError invalidArgument */
export function parseMetricsAddress(text: string): { readonly host: string; readonly port: number } {
  const address = /^[^/]+$/.test(text) ? parseListenAddress(`tcp://${text}`) : undefined;
  if (address?.kind === 'tcp') return { host: address.host, port: address.port };
  throw new EngineError('invalidArgument', `invalid argument "${text}" for "--metrics-addr" flag: want ADDRESS:PORT`);
}

/** "true", "false", "1", "0", as Go's strconv.ParseBool takes them. @param name the flag, for the message @throws EngineError invalidArgument */
export function parseBoolean(name: string, text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new EngineError(
    'invalidArgument',
    `invalid argument "${text}" for "--${name}" flag: parsing "${text}": invalid syntax`,
  );
}

/**
 * In bytes: 68 (RFC 791: what every host must take) to 65,535 (the length field of IPv4). 0 is the default, as in dockerd.
 * @throws EngineError invalidArgument
 */
export function parseMtu(text: string): number {
  if (!/^\d{1,5}$/.test(text) || (Number(text) !== 0 && Number(text) < 68) || Number(text) > 65_535) {
    throw new EngineError('invalidArgument', `invalid argument "${text}" for "--mtu" flag: want 68 to 65535 bytes`);
  }
  return Number(text) === 0 ? 1500 : Number(text);
}

/** dockerd's names; "fatal" says no less than "error" here. @throws EngineError invalidArgument */
export function parseLogLevel(text: string): LogLevel {
  const known: Readonly<Record<string, LogLevel>> = {
    debug: 'debug',
    info: 'info',
    warn: 'warn',
    error: 'error',
    fatal: 'error',
  };
  const level = known[text];
  if (level === undefined) throw new EngineError('invalidArgument', `invalid logging level: ${text}`);
  return level;
}

/** `base=10.10.0.0/16,size=24`, as dockerd's --default-address-pool. @throws EngineError invalidArgument */
export function parseAddressPool(text: string): { base: Prefix; size: number } {
  const fields = new Map(
    text.split(',').map((part): [string, string] => {
      const [name = '', value = ''] = part.split('=');
      return [name.trim().toLowerCase(), value.trim()];
    }),
  );
  const size = Number(fields.get('size') ?? Number.NaN);
  if (!fields.has('base') || !Number.isInteger(size) || fields.size !== 2) {
    throw new EngineError('invalidArgument', `invalid default address pool "${text}": want base=CIDR,size=BITS`);
  }
  const base = asFlag('default-address-pool', () => parsePrefix(fields.get('base') ?? ''));
  const length = Number(base.slice(base.indexOf('/') + 1));
  if (size < length || size > (familyOf(base) === 4 ? 32 : 128)) {
    throw new EngineError(
      'invalidArgument',
      `invalid default address pool "${text}": size ${size} is not within ${base}`,
    );
  }
  return { base, size };
}

/** IPv4 or IPv6. @param name the flag, for the message @throws EngineError invalidArgument */
export function parseAddressFlag(name: string, text: string): IpAddress {
  if (!isIpAddress(text))
    throw new EngineError(
      'invalidArgument',
      `invalid argument "${text}" for "--${name}" flag: ${text} is not an ip address`,
    );
  return parseIpAddress(text);
}

/** The default bridge's address with its prefix: "172.18.0.1/16". @throws EngineError invalidArgument */
export function parseBip(text: string): InterfaceAddress {
  return asFlag('bip', () => parseInterfaceAddress(text));
}

/** A subnet without host bits. @param name the flag, for the message @throws EngineError invalidArgument */
export function parseCidrFlag(name: string, text: string): Prefix {
  return asFlag(name, () => parsePrefix(text));
}

/** The same error, with the flag's name in front. */
function asFlag<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new EngineError('invalidArgument', `invalid argument for "--${name}" flag: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}
