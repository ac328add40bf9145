import { familyOf, type IpAddress, isIpAddress, parseIpAddress } from '../model/address.ts';
import { EngineError } from '../model/errors.ts';

/** One line of hosts(5): an address and the names that lead to it, separated by spaces. */
export interface HostRecord {
  readonly address: IpAddress;
  readonly names: string;
}

/** What `--add-host name:host-gateway` asks for instead of an address. */
const HOST_GATEWAY = 'host-gateway';

const LOCALHOST: HostRecord = { address: parseIpAddress('127.0.0.1'), names: 'localhost' };
const LOCALHOST_IPV6: readonly HostRecord[] = [
  ['::1', 'localhost ip6-localhost ip6-loopback'],
  ['fe00::', 'ip6-localnet'],
  ['ff00::', 'ip6-mcastprefix'],
  ['ff02::1', 'ip6-allnodes'],
  ['ff02::2', 'ip6-allrouters'],
].map(([address = '', names = '']) => ({ address: parseIpAddress(address), names }));

export interface HostsFile {
  /** Names given by `--add-host` and links, in the order they were given */
  readonly extra: readonly HostRecord[];
  /** The container's own, one for each address of an endpoint: ownRecord() */
  readonly own: readonly HostRecord[];
  /** False: IPv6 is switched off in the sandbox, and no line of it is written */
  readonly ipv6: boolean;
}

/** A container's /etc/hosts as Docker 28 writes it (moby, libnetwork/etchosts). */
export function renderHosts(file: HostsFile): string {
  const given = [...file.extra, ...file.own].filter((record) => file.ipv6 || familyOf(record.address) === 4);
  return [LOCALHOST, ...(file.ipv6 ? LOCALHOST_IPV6 : []), ...given].map(renderRecord).join('');
}

/** The line by which a container finds itself: "web.example.com web", the whole name and its first label. */
export function ownRecord(address: IpAddress, hostname: string, domainname: string): HostRecord {
  const full = domainname === '' ? hostname : `${hostname}.${domainname}`;
  const [first = ''] = full.split('.');
  return { address, names: first === full ? full : `${full} ${first}` };
}

/** The file with lines added at its end: what a user has written into it stays. */
export function addHosts(text: string, records: readonly HostRecord[]): string {
  return text + records.map(renderRecord).join('');
}

/** The file without these lines; one a user has changed stays. */
export function removeHosts(text: string, records: readonly HostRecord[]): string {
  const gone = new Set(records.map(renderRecord));
  return text
    .split(/(?<=\n)/)
    .filter((line) => !gone.has(line))
    .join('');
}

/** The lines of exactly these names. */
export function findHosts(text: string, names: string): HostRecord[] {
  return text.split('\n').flatMap((line) => {
    const [address = '', found] = line.split('\t');
    return found === names && isIpAddress(address) ? [{ address: parseIpAddress(address), names }] : [];
  });
}

/** The file with these lines in place of those whose first name is this one. */
export function replaceHosts(text: string, firstName: string, records: readonly HostRecord[]): string {
  const others = text.split(/(?<=\n)/).filter((line) => line.split(/\s+/)[1] !== firstName || line.startsWith('#'));
  return others.join('') + records.map(renderRecord).join('');
}

/**
 * `--add-host` and ExtraHosts: "name:address" or "name=address"; an IPv6 address may stand in brackets.
 * @param gateways what `host-gateway` means: addresses of the default bridge
 * @throws EngineError invalidArgument in Docker's words
 */
export function parseExtraHosts(texts: readonly string[], gateways: readonly IpAddress[]): HostRecord[] {
  return texts.flatMap((text) => {
    const separator = text.search(/[:=]/);
    const name = text.slice(0, Math.max(separator, 0));
    const value = text.slice(separator + 1).replace(/^\[(.*)\]$/, '$1');
    if (name === '') throw new EngineError('invalidArgument', `bad format for add-host: "${text}"`);
    if (value === HOST_GATEWAY) return gatewayRecords(name, gateways);
    if (!isIpAddress(value)) throw new EngineError('invalidArgument', `invalid IP address in add-host: "${value}"`);
    return [{ address: parseIpAddress(value), names: name }];
  });
}

function gatewayRecords(name: string, gateways: readonly IpAddress[]): HostRecord[] {
  if (gateways.length === 0) {
    throw new EngineError('invalidArgument', 'unable to derive the IP value for host-gateway');
  }
  return gateways.map((address) => ({ address, names: name }));
}

function renderRecord(record: HostRecord): string {
  return `${record.address}\t${record.names}\n`;
}

/** A container's /etc/hostname: the name alone, without its domain. */
export function renderHostname(hostname: string): string {
  return `${hostname}\n`;
}
