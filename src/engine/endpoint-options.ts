import { EngineError } from '../model/errors.ts';
import type { Announcement } from '../model/resource.ts';

type Options = Readonly<Record<string, string>>;

const IFNAME = 'com.docker.network.endpoint.ifname';
const SYSCTLS = 'com.docker.network.endpoint.sysctls';
const ANNOUNCEMENTS = 'com.docker.network.advertise_addr_nmsgs';
const ANNOUNCEMENT_INTERVAL = 'com.docker.network.advertise_addr_ms';

/** Docker's bounds (libnetwork/osl): how often, and milliseconds between two. */
const COUNT = { lowest: 0, highest: 3, usual: 3 } as const;
const INTERVAL = { lowest: 100, highest: 2000, usual: 1000 } as const;

/** What the user wants the link in the sandbox to be called. */
export function wantedLinkName(options: Options): string | undefined {
  return options[IFNAME];
}

/** What is wrong with options of an endpoint, in Docker's words (moby: validateEndpointSettings). */
export function endpointOptionProblems(options: Options): string[] {
  const name = options[IFNAME];
  const problems = name === undefined || isLinkName(name) ? [] : [`invalid interface name: ${name}`];
  for (const setting of listOf(options)) {
    const [family, , place, last] = setting.split('.').slice(1);
    const known = ['ipv4', 'ipv6', 'mpls'].includes(family ?? '') && ['IFNAME', 'ifname'].includes(place ?? '');
    if (known && setting.startsWith('net.') && last !== undefined && setting.includes('=')) continue;
    problems.push(
      `unrecognised network interface sysctl '${setting}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`,
    );
  }
  return problems;
}

/** Settings of the endpoint's link, by their paths below /proc/sys. */
export function linkSettings(options: Options, link: string): Record<string, string> {
  return Object.fromEntries(
    listOf(options).map((setting) => {
      const [name = '', value = ''] = setting.split(/=(.*)/s);
      const [net, family, kind, , ...rest] = name.split('.');
      return [[net, family, kind, link, rest.join('.')].join('/'), value];
    }),
  );
}

/** "net.ipv4.conf.IFNAME.log_martians=1,…" */
function listOf(options: Options): string[] {
  const text = options[SYSCTLS];
  return text === undefined || text === '' ? [] : text.split(',');
}

/**
 * How a network's endpoints tell their neighbours of themselves; undefined: as usual.
 * @throws EngineError invalidArgument in Docker's words
 */
export function announcementOf(options: Options): Announcement | undefined {
  const count = read(options, ANNOUNCEMENTS, COUNT, 'an integer');
  const interval = read(options, ANNOUNCEMENT_INTERVAL, INTERVAL, 'integer milliseconds');
  if (count === undefined && interval === undefined) return undefined;
  return { count: count ?? COUNT.usual, interval: interval ?? INTERVAL.usual };
}

function read(options: Options, label: string, bounds: { lowest: number; highest: number }, what: string) {
  const text = options[label];
  if (text === undefined) return undefined;
  if (!/^[+-]?\d{1,15}$/.test(text)) {
    throw new EngineError('invalidArgument', `value for option ${label} ${JSON.stringify(text)} must be ${what}`);
  }
  const value = Number(text);
  if (value >= bounds.lowest && value <= bounds.highest) return value;
  throw new EngineError('invalidArgument', `${label} must be in the range ${bounds.lowest} to ${bounds.highest}`);
}

/** dev_valid_name() in net/core/dev.c; "lo" is there already. */
function isLinkName(text: string): boolean {
  return /^[^\s/:\0]{1,15}$/.test(text) && Buffer.byteLength(text) <= 15 && !['.', '..', 'lo'].includes(text);
}
