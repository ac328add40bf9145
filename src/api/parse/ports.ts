import { isIpAddress, parseIpAddress } from '../../model/address.ts';
import type { PortBinding, PortKey } from '../../model/container.ts';
import type { TransportProtocol } from '../../model/firewall.ts';
import { invalid } from '../status.ts';
import { Fields } from './fields.ts';

export const HIGHEST_PORT = 65535;

/** ExposedPorts: { "80/tcp": {} }. @throws EngineError invalidArgument */
export function parseExposedPorts(ports: readonly [string, unknown][]): PortKey[] {
  return ports.map(([key]): PortKey => {
    const { port, protocol } = parsePortKey(key);
    return `${port}/${protocol}`;
  });
}

/**
 * PortBindings: { "80/tcp": [{ HostIp, HostPort }] }; an empty list asks for an ephemeral port, as Docker does below API
 * 1.53.
 * @throws EngineError invalidArgument with Docker's words
 */
export function parsePortBindings(bindings: readonly [string, unknown][]): PortBinding[] {
  return bindings.flatMap(([key, value]) => {
    const { port, protocol } = parsePortKey(key);
    const wanted = value ?? [];
    if (!Array.isArray(wanted)) throw invalid(`invalid port specification: "${key}"`);
    const list: readonly unknown[] = wanted.length === 0 ? [{}] : wanted;
    return list.map((item) => ({
      protocol,
      containerPort: port,
      ...parseHostSide(new Fields(item, `HostConfig.PortBindings.${key}`)),
    }));
  });
}

/** { HostIp: "127.0.0.1", HostPort: "8080" }; both may be empty. */
function parseHostSide(fields: Fields): Pick<PortBinding, 'hostAddress' | 'hostPorts'> {
  const hostPorts = parseHostPorts(fields.text('HostPort'));
  const address = fields.text('HostIp').replace(/^\[(.*)\]$/, '$1');
  fields.close();
  if (address !== '' && !isIpAddress(address)) throw invalid(`invalid IP address: ${address}`);
  return {
    ...(address === '' ? {} : { hostAddress: parseIpAddress(address) }),
    ...(hostPorts === undefined ? {} : { hostPorts }),
  };
}

/** "80" or "80/tcp"; tcp is meant when none is named (go-connections: nat.SplitProtoPort). */
function parsePortKey(key: string): { port: number; protocol: TransportProtocol } {
  const [port = '', protocol = 'tcp', ...more] = key.split('/');
  if (!isPort(port) || Number(port) === 0 || more.length > 0) throw invalid(`invalid port specification: "${key}"`);
  const transport = transportProtocol(protocol);
  if (transport === undefined) throw invalid(`invalid proto: ${protocol}`);
  return { port: Number(port), protocol: transport };
}

/** In any case. @returns undefined for what is none */
export function transportProtocol(text: string): TransportProtocol | undefined {
  return (['tcp', 'udp', 'sctp'] as const).find((protocol) => protocol === text.toLowerCase());
}

/** "", "0", "8080" or "8080-8090", each with an optional protocol that says nothing new. */
function parseHostPorts(text: string): PortBinding['hostPorts'] {
  const [range = ''] = text.split('/');
  if (range === '' || range === '0') return undefined;
  const [first = '', last = first, ...more] = range.split('-');
  if (!isPort(first) || !isPort(last) || Number(first) === 0 || Number(last) < Number(first) || more.length > 0) {
    throw invalid(`invalid port specification: "${text}"`);
  }
  return { first: Number(first), last: Number(last) };
}

/** 0 passes: for a host port it means any. */
function isPort(text: string): boolean {
  return /^\d{1,5}$/.test(text) && Number(text) <= HIGHEST_PORT;
}
