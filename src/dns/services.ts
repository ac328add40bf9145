import type { TransportProtocol } from '../model/firewall.ts';

/** What a SRV question asks for: "_http._tcp.web" (RFC 2782). */
export interface ServiceName {
  /** "http", or a number */
  readonly port: string;
  readonly protocol: TransportProtocol;
  /** Whose: "web", "web.app" */
  readonly host: string;
}

/** @param name in lower case @returns undefined for what is no service's name */
export function parseServiceName(name: string): ServiceName | undefined {
  const [, port, protocol, host] = /^_([^.]+)\._(tcp|udp|sctp)\.(.+)$/.exec(name) ?? [];
  if (port === undefined || protocol === undefined || host === undefined) return undefined;
  return { port, protocol: protocol as TransportProtocol, host };
}

/** The host's names of well-known ports: "http/tcp" → 80. */
export type ServicePorts = ReadonlyMap<string, number>;

/** services(5): a name, port/protocol, and further names. What is malformed is passed over. */
export function parseServices(text: string): ServicePorts {
  const ports = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name = '', place = '', ...aliases] = line
      .replace(/#.*/, '')
      .split(/\s+/)
      .filter((word) => word !== '');
    const [port = '', protocol = ''] = place.split('/');
    if (!/^\d{1,5}$/.test(port)) continue;
    for (const each of [name, ...aliases]) ports.set(`${each.toLowerCase()}/${protocol}`, Number(port));
  }
  return ports;
}

/** @returns undefined when the name is no port's */
export function servicePort({ port, protocol }: ServiceName, known: ServicePorts): number | undefined {
  return /^\d{1,5}$/.test(port) ? Number(port) : known.get(`${port}/${protocol}`);
}
