import { BlockList, isIP } from 'node:net';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy a request goes through, by the variables dockerd reads (golang.org/x/net/http/httpproxy): HTTP_PROXY for http,
 * HTTPS_PROXY for https, in capitals or not; NO_PROXY names who is asked directly. Loopback addresses always are.
 */
export function proxyFor(url: URL, environment: Environment): string | undefined {
  const read = (name: string) => environment[name] ?? environment[name.toLowerCase()] ?? '';
  const proxy = url.protocol === 'https:' ? read('HTTPS_PROXY') : read('HTTP_PROXY');
  const host = bareHost(url);
  if (proxy === '' || isLoopback(host)) return undefined;
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  const direct = read('NO_PROXY')
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== '' && isExcepted(entry, host, port));
  if (direct) return undefined;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

/** Without the brackets of an IPv6 address. */
export function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d+){3}$/.test(host);
}

/** "*", an address, a range, a host with those below it, ".domain" for those below alone; a port may follow. */
function isExcepted(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  const range = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(entry);
  if (range !== null) return isWithin(host, range[1] ?? '', Number(range[2]));
  const [, name = entry, wanted] = isIP(entry) === 6 ? [] : (/^(.*?)(?::(\d+))?$/.exec(entry) ?? []);
  if (wanted !== undefined && wanted !== port) return false;
  const domain = name.replace(/^\*(?=\.)/, '').replace(/^\[|\]$/g, '');
  if (isIP(domain) !== 0) return domain === host;
  return domain.startsWith('.') ? host.endsWith(domain) : host === domain || host.endsWith(`.${domain}`);
}

/** Whether an address lies in a range; false for names and for what is no range. */
export function isWithin(host: string, network: string, length: number): boolean {
  const family = isIP(network);
  if (family === 0 || isIP(host) !== family || length > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const type = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(network, length, type);
  return list.check(host, type);
}
