import { isIpAddress, parseIpAddress } from '../../model/address.ts';
import type { PortBinding } from '../../model/container.ts';
import { invalid } from '../status.ts';
import { HIGHEST_PORT, transportProtocol } from './ports.ts';

interface Range {
  readonly first: number;
  readonly last: number;
}

/**
 * What `-p` takes: [ADDRESS:][[HOST]:]CONTAINER[/PROTOCOL]. HOST and CONTAINER are ports or ranges; equally long ones go
 * together, and a range of HOST for one CONTAINER port is a choice. An IPv6 address may stand in brackets.
 * @returns one binding for each container port
 * @throws EngineError invalidArgument in the words of Docker's CLI (go-connections: nat.ParsePortSpec)
 */
export function parsePortSpec(text: string): PortBinding[] {
  const [ports = '', protocol = 'tcp', ...more] = text.split('/');
  const { address, host, container } = splitParts(ports);
  if (container === '') throw invalid(`no port specified: ${text}<empty>`);
  const inside = parseRange(container, `invalid containerPort: ${container}`);
  const outside = host === '' ? undefined : parseRange(host, `invalid hostPort: ${host}`);
  const transport = transportProtocol(protocol);
  if (more.length > 0 || transport === undefined) throw invalid(`invalid proto: ${[protocol, ...more].join('/')}`);
  if (address !== '' && !isIpAddress(address)) throw invalid(`invalid IP address: ${address}`);
  const isChoice = length(inside) === 1;
  if (outside !== undefined && !isChoice && length(outside) !== length(inside)) {
    throw invalid(`invalid ranges specified for container and host Ports: ${container} and ${host}`);
  }
  return Array.from({ length: length(inside) }, (_, index) => ({
    protocol: transport,
    containerPort: inside.first + index,
    ...(address === '' ? {} : { hostAddress: parseIpAddress(address) }),
    ...(outside === undefined ? {} : { hostPorts: isChoice ? outside : single(outside.first + index) }),
  }));
}

/** From the right: an IPv6 address has colons of its own. */
function splitParts(ports: string): { address: string; host: string; container: string } {
  const parts = ports.split(':');
  const container = parts.pop() ?? '';
  const host = parts.pop() ?? '';
  const address = parts.join(':').replace(/^\[(.*)\]$/, '$1');
  return { address, host, container };
}

function parseRange(text: string, refusal: string): Range {
  const [first = '', last = first, ...more] = text.split('-');
  const valid = [first, last].every(
    (port) => /^\d{1,5}$/.test(port) && Number(port) > 0 && Number(port) <= HIGHEST_PORT,
  );
  if (!valid || more.length > 0 || Number(last) < Number(first)) throw invalid(refusal);
  return { first: Number(first), last: Number(last) };
}

const length = ({ first, last }: Range) => last - first + 1;
const single = (port: number): Range => ({ first: port, last: port });
