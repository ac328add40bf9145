import { type AddressFamily, addressFromBytes, familyOf, type IpAddress } from '../model/address.ts';
import type { NamespaceName } from '../model/resource.ts';
import { CLASS_IN, type Query, Rcode, RecordType } from './message.ts';
import type { NameSource } from './names.ts';
import type { Answer } from './reply.ts';
import { parseServiceName, type ServicePorts, servicePort } from './services.ts';

const REVERSE_IPV4 = '.in-addr.arpa';
const REVERSE_IPV6 = '.ip6.arpa';
/** There is such a name, and nothing of what was asked for */
export const EMPTY: Answer = { kind: 'empty', rcode: Rcode.noError };

export interface AnswerSource {
  readonly names: NameSource;
  readonly servicePorts: ServicePorts;
}

/**
 * What we know about a question ourselves. A name that is ours is ours for every type: what it lacks is answered empty,
 * and never asked elsewhere, where it would be said not to exist and the client would stop looking for its other family.
 * @returns undefined when others are to be asked
 */
export function answerLocally(source: AnswerSource, namespace: NamespaceName, query: Query): Answer | undefined {
  const { names } = source;
  if (query.class !== CLASS_IN) return undefined;
  if (query.type === RecordType.SRV) return answerService(source, namespace, query.name);
  if (query.type === RecordType.PTR) {
    const address = reverseAddress(query.name);
    const name = address && names.reverse(namespace, address);
    if (name !== undefined) return { kind: 'name', name };
  }
  const known = names.lookup(namespace, query.name);
  if (known !== undefined) return answerAddresses(known, query.type);
  if (!asksAddress(query.type) || query.name.includes('.')) return undefined;
  return names.outside(namespace).ndotsSet ? EMPTY : undefined;
}

/** A port of somebody who is ours: "_http._tcp.web", "_8080._tcp.web.app". Any other name with SRV is as with other types. */
function answerService(
  { names, servicePorts }: AnswerSource,
  namespace: NamespaceName,
  name: string,
): Answer | undefined {
  if (names.lookup(namespace, name) !== undefined) return EMPTY;
  const asked = parseServiceName(name);
  if (asked === undefined || names.lookup(namespace, asked.host) === undefined) return undefined;
  const port = servicePort(asked, servicePorts);
  if (port === undefined) return EMPTY;
  const services = names.services(namespace, asked.host, { port, protocol: asked.protocol });
  return services.length === 0 ? EMPTY : { kind: 'services', services: shuffled(services) };
}

export function asksAddress(type: number): boolean {
  return type === RecordType.A || type === RecordType.AAAA;
}

function answerAddresses(known: readonly IpAddress[], type: number): Answer {
  const addresses = type === RecordType.ANY ? known : ofFamily(known, familyOfType(type));
  if (addresses.length === 0) return EMPTY;
  return { kind: 'addresses', addresses: addresses.length === 1 ? addresses : shuffled(addresses) };
}

function familyOfType(type: number): AddressFamily | undefined {
  if (type === RecordType.A) return 4;
  return type === RecordType.AAAA ? 6 : undefined;
}

function ofFamily(addresses: readonly IpAddress[], family: AddressFamily | undefined): readonly IpAddress[] {
  return addresses.filter((address) => familyOf(address) === family);
}

/** Clients take the first address, so each is first equally often. */
function shuffled<T>(items: readonly T[]): T[] {
  const result: T[] = [];
  for (const [index, item] of items.entries()) {
    const place = Math.floor(Math.random() * (index + 1));
    const displaced = result[place];
    result[place] = item;
    if (displaced !== undefined) result.push(displaced);
  }
  return result;
}

/** "3.0.0.10.in-addr.arpa" (RFC 1035 section 3.5) and its nibble form for IPv6 (RFC 3596 section 2.5). */
export function reverseAddress(name: string): IpAddress | undefined {
  if (name.endsWith(REVERSE_IPV4)) {
    const parts = name.slice(0, -REVERSE_IPV4.length).split('.').reverse();
    const whole = parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
    return whole ? addressFromBytes(Uint8Array.from(parts, Number)) : undefined;
  }
  if (!name.endsWith(REVERSE_IPV6)) return undefined;
  const nibbles = name.slice(0, -REVERSE_IPV6.length).split('.').reverse();
  if (nibbles.length !== 32 || !nibbles.every((nibble) => /^[0-9a-f]$/.test(nibble))) return undefined;
  return addressFromBytes(Uint8Array.from(Buffer.from(nibbles.join(''), 'hex')));
}
