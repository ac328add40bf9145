import { EngineError } from './errors.ts';

declare const brand: unique symbol;

/** A canonical IP address: "10.0.0.1", or RFC 5952 text for IPv6: "fd00::1". Equal addresses are equal strings. */
export type IpAddress = string & { readonly [brand]: 'IpAddress' };
/** A canonical network prefix without host bits: "10.0.0.0/24". */
export type Prefix = string & { readonly [brand]: 'Prefix' };
/** An address with the length of its network: "10.0.0.1/24". Host bits are kept. */
export type InterfaceAddress = string & { readonly [brand]: 'InterfaceAddress' };
/** A MAC address in lower case: "02:42:ac:11:00:02". */
export type MacAddress = string & { readonly [brand]: 'MacAddress' };
export type AddressFamily = 4 | 6;

/** In the order they are allotted and shown. */
export const FAMILIES: readonly AddressFamily[] = [4, 6];

const BITS = { 4: 32, 6: 128 } as const;

/** @throws EngineError invalidArgument when the text is no IPv4 or IPv6 address */
export function parseIpAddress(text: string): IpAddress {
  const bytes = text.includes(':') ? parseIPv6(text) : parseIPv4(text);
  if (bytes === undefined) throw new EngineError('invalidArgument', `invalid IP address: ${text}`);
  return addressFromBytes(bytes);
}

export function isIpAddress(text: string): boolean {
  return (text.includes(':') ? parseIPv6(text) : parseIPv4(text)) !== undefined;
}

/** 127.0.0.0/8, ::1. */
export function isLoopback(address: IpAddress): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** No address in particular; of the host's, any. */
export const UNSPECIFIED: Readonly<Record<AddressFamily, IpAddress>> = {
  4: parseIpAddress('0.0.0.0'),
  6: parseIpAddress('::'),
};

export function isUnspecified(address: IpAddress): boolean {
  return address === UNSPECIFIED[4] || address === UNSPECIFIED[6];
}

/** @throws EngineError invalidArgument when the text is no CIDR, or has host bits set */
export function parsePrefix(text: string): Prefix {
  const parsed = parseInterfaceAddress(text);
  const prefix = prefixOf(parsed);
  if (prefix !== (parsed as string)) {
    throw new EngineError('invalidArgument', `invalid subnet ${text}: it should be ${prefix}`);
  }
  return prefix;
}

/** @throws EngineError invalidArgument when the text is not ADDRESS/LENGTH */
export function parseInterfaceAddress(text: string): InterfaceAddress {
  const slash = text.indexOf('/');
  const length = text.slice(slash + 1);
  if (slash < 0 || !/^\d{1,3}$/.test(length) || !isIpAddress(text.slice(0, slash))) {
    throw new EngineError('invalidArgument', `invalid CIDR address: ${text}`);
  }
  const address = parseIpAddress(text.slice(0, slash));
  if (Number(length) > BITS[familyOf(address)])
    throw new EngineError('invalidArgument', `invalid CIDR address: ${text}`);
  return `${address}/${Number(length)}` as InterfaceAddress;
}

/** @throws EngineError invalidArgument when the text is not six hexadecimal bytes */
export function parseMacAddress(text: string): MacAddress {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) {
    throw new EngineError('invalidArgument', `invalid MAC address: ${text}`);
  }
  return text.toLowerCase().replaceAll('-', ':') as MacAddress;
}

/** @param bytes 6 bytes, in the order they are sent */
export function macFromBytes(bytes: Uint8Array): MacAddress {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':') as MacAddress;
}

export function macBytes(mac: MacAddress): Uint8Array {
  return Uint8Array.from(mac.split(':'), (part) => Number.parseInt(part, 16));
}

export function familyOf(text: IpAddress | Prefix | InterfaceAddress): AddressFamily {
  return text.includes(':') ? 6 : 4;
}

/** The first one of the family: lists that hold at most one of each are common. */
export function ofFamily<T extends IpAddress | Prefix | InterfaceAddress>(
  texts: readonly T[],
  family: AddressFamily,
): T | undefined {
  return texts.find((text) => familyOf(text) === family);
}

/** 4 or 16 bytes, in network order. */
export function addressBytes(address: IpAddress): Uint8Array {
  const bytes = address.includes(':') ? parseIPv6(address) : parseIPv4(address);
  if (bytes === undefined) throw new TypeError(`not an address: ${address}`);
  return bytes;
}

/** @param bytes 4 or 16 bytes, in network order */
export function addressFromBytes(bytes: Uint8Array): IpAddress {
  return (bytes.length === 4 ? bytes.join('.') : formatIPv6(bytes)) as IpAddress;
}

export function addressToNumber(address: IpAddress): bigint {
  return addressBytes(address).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** @throws RangeError when the number does not fit the family */
export function numberToAddress(family: AddressFamily, value: bigint): IpAddress {
  if (value < 0n || value >> BigInt(BITS[family]) !== 0n) throw new RangeError(`no IPv${family} address: ${value}`);
  const size = BITS[family] / 8;
  return addressFromBytes(
    Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * (size - 1 - i))) & 255n)),
  );
}

/** The part before the slash. */
export function addressOf(text: InterfaceAddress | Prefix): IpAddress {
  return text.slice(0, text.indexOf('/')) as IpAddress;
}

/** The number behind the slash. */
export function lengthOf(text: InterfaceAddress | Prefix): number {
  return Number(text.slice(text.indexOf('/') + 1));
}

/** The network an interface address lies in: host bits cleared. */
export function prefixOf(text: InterfaceAddress): Prefix {
  return makePrefix(addressOf(text), lengthOf(text));
}

/** The prefix of this length that holds the address. */
export function makePrefix(address: IpAddress, length: number): Prefix {
  const family = familyOf(address);
  const hostBits = BigInt(BITS[family] - length);
  return `${numberToAddress(family, (addressToNumber(address) >> hostBits) << hostBits)}/${length}` as Prefix;
}

export function interfaceAddress(address: IpAddress, length: number): InterfaceAddress {
  return `${address}/${length}` as InterfaceAddress;
}

/** First and last number of the prefix, both included. */
export function prefixBounds(prefix: Prefix): {
  readonly family: AddressFamily;
  readonly first: bigint;
  readonly last: bigint;
} {
  const family = familyOf(prefix);
  const first = addressToNumber(addressOf(prefix));
  return { family, first, last: first + (1n << BigInt(BITS[family] - lengthOf(prefix))) - 1n };
}

export function prefixContains(prefix: Prefix, address: IpAddress): boolean {
  if (familyOf(prefix) !== familyOf(address)) return false;
  return makePrefix(address, lengthOf(prefix)) === prefix;
}

export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  return prefixContains(a, addressOf(b)) || prefixContains(b, addressOf(a));
}

function parseIPv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

function parseIPv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined;
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail]);
}

/** Bytes of colon-separated groups; the last group may be an IPv4 address (RFC 4291 section 2.2). */
function parseGroups(text: string, mayEndInIPv4: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (mayEndInIPv4 && index === groups.length - 1 && group.includes('.')) {
      const four = parseIPv4(group);
      if (four === undefined) return undefined;
      bytes.push(...four);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 255);
    }
  }
  return bytes;
}

/** RFC 5952: the longest run of two or more zero groups becomes "::", the first of equals. */
function formatIPv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  let best = { start: 0, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = (part: number[]) => part.map((group) => group.toString(16)).join(':');
  if (best.length < 2) return text(groups);
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`;
}
