import type { IpAddress } from '../model/address.ts';
import type { PortKey } from '../model/container.ts';

interface LinkedContainer {
  /** "/web/db": who links, and what it calls it */
  readonly name: string;
  readonly alias: string;
  readonly address: IpAddress;
  /** What it exposes */
  readonly ports: readonly PortKey[];
  /** The linked container's own variables */
  readonly env: readonly string[];
}

interface Port {
  readonly number: number;
  readonly protocol: string;
}

/** Of the linked container's variables, those that every container has say nothing about it. */
const USUAL = ['HOME', 'PATH'];

/**
 * The variables of a link as Docker names them (docs.docker.com, "Legacy container links"): ALIAS_PORT for the lowest port,
 * ALIAS_PORT_<n>_<PROTOCOL> and its parts for each, _START and _END for ports in a row, ALIAS_NAME, ALIAS_ENV_<variable>.
 */
export function linkVariables({ name, alias, address, ports, env }: LinkedContainer): string[] {
  const prefix = alias.toUpperCase().replaceAll('-', '_');
  const sorted = ports.map(readPort).sort(tcpFirst);
  const [first] = sorted;
  const variables = first === undefined ? [] : [`${prefix}_PORT=${url(address, first)}`];
  for (const run of runs(sorted)) variables.push(...runVariables(prefix, address, run));
  for (const port of sorted) variables.push(...portVariables(prefix, address, port));
  variables.push(`${prefix}_NAME=${name}`);
  for (const setting of env) {
    const [key = '', ...value] = setting.split('=');
    if (value.length > 0 && !USUAL.includes(key)) variables.push(`${prefix}_ENV_${key}=${value.join('=')}`);
  }
  return variables;
}

function readPort(key: PortKey): Port {
  const [number = '', protocol = ''] = key.split('/');
  return { number: Number(number), protocol };
}

function tcpFirst(a: Port, b: Port): number {
  if (a.protocol !== b.protocol) return a.protocol === 'tcp' ? -1 : b.protocol === 'tcp' ? 1 : 0;
  return a.number - b.number;
}

function url(address: IpAddress, { number, protocol }: Port): string {
  return `${protocol}://${address.includes(':') ? `[${address}]` : address}:${number}`;
}

function portVariables(prefix: string, address: IpAddress, port: Port): string[] {
  const name = `${prefix}_PORT_${port.number}_${port.protocol.toUpperCase()}`;
  return [
    `${name}=${url(address, port)}`,
    `${name}_ADDR=${address}`,
    `${name}_PORT=${port.number}`,
    `${name}_PROTO=${port.protocol}`,
  ];
}

/** Of ports that follow each other. */
function runVariables(prefix: string, address: IpAddress, { first, last }: { first: Port; last: Port }): string[] {
  if (first === last) return [];
  const name = `${prefix}_PORT_${first.number}_${first.protocol.toUpperCase()}`;
  return [
    `${name}_START=${url(address, first)}`,
    `${name}_ADDR=${address}`,
    `${name}_PROTO=${first.protocol}`,
    `${name}_PORT_START=${first.number}`,
    `${name}_END=${url(address, last)}`,
    `${name}_PORT_END=${last.number}`,
  ];
}

function runs(ports: readonly Port[]): { first: Port; last: Port }[] {
  const found: { first: Port; last: Port }[] = [];
  for (const port of ports) {
    const current = found.at(-1);
    if (current?.last.protocol === port.protocol && current.last.number + 1 === port.number) current.last = port;
    else found.push({ first: port, last: port });
  }
  return found;
}
