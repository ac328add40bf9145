import { createHash } from 'node:crypto';
import { isIpAddress, parseIpAddress } from '../../model/address.ts';
import type { Element } from './element.ts';
import { type DropReason, type FieldType, isDropReason, isSetName, SETS } from './ruleset.ts';

/** A table as the kernel holds it. */
export interface Listing {
  readonly elements: readonly Element[];
  /** All the rest: chains, rules, sets and the table's flags, in one word. Equal for equal tables */
  readonly rest: string;
  /** The fingerprint that was written into the table when it was made */
  readonly original?: string;
}

type Json = Readonly<Record<string, unknown>>;

/** What nft 1.0 says of protocols where there is no /etc/protocols */
const PROTOCOLS: ReadonlyMap<unknown, string> = new Map([
  [6, 'tcp'],
  [17, 'udp'],
  [132, 'sctp'],
]);

/** Reads `list table` (libnftables-json(5)). Listings of other versions of nft may differ: then the table is made anew once. */
export function readListing(output: unknown): Listing {
  const hash = createHash('sha256');
  const elements: Element[] = [];
  let original: string | undefined;
  for (const [kind, body] of objectsOf(output)) {
    const { elem, handle: _, ...constant } = kind === 'counter' ? counterOf(body) : body;
    const name = body['name'];
    hash.update(JSON.stringify([kind, constant]));
    if ((kind !== 'set' && kind !== 'map') || typeof name !== 'string' || !isSetName(name)) continue;
    const members = Array.isArray(elem) ? elem.map((member: unknown) => readElement(name, member)) : [];
    if (name === 'fingerprint') original = members[0]?.comment;
    else for (const member of members) elements.push(member);
  }
  return { elements, rest: hash.digest('hex'), ...(original === undefined ? {} : { original }) };
}

/**
 * What an intact table is told by: all of it but handles and elements, and the text that it was made from, so that a table of an
 * older Fairway differs.
 */
export function fingerprint(ruleset: string, { rest }: Listing): string {
  return createHash('sha256').update(ruleset).update(rest).digest('hex').slice(0, 16);
}

/** How many packets were dropped, by the reason. @param output of `list counters` */
export function readDrops(output: unknown): Partial<Record<DropReason, number>> {
  const counters = objectsOf(output).filter(([kind, { name }]) => kind === 'counter' && isDropReason(name));
  return Object.fromEntries(counters.map(([, { name, packets }]) => [name, Number(packets)]));
}

/** What it has counted is no part of it. */
function counterOf({ packets: _, bytes: __, ...counter }: Json): Json {
  return counter;
}

function objectsOf(output: unknown): [kind: string, body: Json][] {
  const list = isObject(output) ? output['nftables'] : undefined;
  if (!Array.isArray(list)) return [];
  return list
    .filter(isObject)
    .flatMap((object) => Object.entries(object))
    .filter((entry): entry is [string, Json] => entry[0] !== 'metainfo' && isObject(entry[1]));
}

/** In a set `KEY` or `{elem: {val: KEY, comment}}`; in a map a pair of that and the value. */
function readElement(set: keyof typeof SETS, member: unknown): Element {
  const definition: { key: readonly FieldType[]; value?: readonly FieldType[] } = SETS[set];
  const [left, right]: unknown[] = definition.value !== undefined && Array.isArray(member) ? member : [member];
  const inner = isObject(left) && isObject(left['elem']) ? left['elem'] : { val: left };
  const { val, comment } = inner as Json;
  return {
    set,
    key: fieldsText(definition.key, val),
    ...(definition.value === undefined ? {} : { value: fieldsText(definition.value, right) }),
    ...(typeof comment === 'string' ? { comment } : {}),
  };
}

function fieldsText(types: readonly FieldType[], value: unknown): string {
  const fields = isObject(value) && Array.isArray(value['concat']) ? (value['concat'] as unknown[]) : [value];
  return fields.map((field, index) => fieldText(types[index], field)).join(' . ');
}

/** As compile() writes it; what it never writes becomes JSON, and so is not taken for anything. */
function fieldText(type: FieldType | undefined, field: unknown): string {
  if (type === 'target' && (typeof field === 'string' || typeof field === 'number')) return hexadecimal(field);
  if (typeof field === 'number') return (type === 'inet_proto' && PROTOCOLS.get(field)) || String(field);
  if (typeof field === 'string') {
    if (type === 'ifname') return `"${field}"`;
    return type === 'ipv6_addr' ? canonical(field) : field;
  }
  if (isObject(field)) {
    const { prefix, range } = field;
    if (isObject(prefix)) return `${canonical(String(prefix['addr']))}/${prefix['len']}`;
    if (Array.isArray(range)) return range.join('-');
  }
  return JSON.stringify(field) ?? '';
}

/** All 128 bits, as addressText() of port security writes them. */
function hexadecimal(field: string | number): string {
  return /^(0x[\da-f]+|\d+)$/.test(String(field)) ? `0x${BigInt(field).toString(16).padStart(32, '0')}` : String(field);
}

/** inet_ntop(3) writes the last four bytes of some IPv6 addresses as IPv4's, RFC 5952 does not. */
function canonical(address: string): string {
  return isIpAddress(address) ? parseIpAddress(address) : address;
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
