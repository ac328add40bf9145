import type { EndRequest } from '../../engine/attachments.ts';
import { type InterfaceAddress, parseInterfaceAddress, parseIpAddress, parseMacAddress } from '../../model/address.ts';
import type { AttachmentTarget } from '../../model/attachment.ts';
import { invalid } from '../status.ts';
import { Fields } from './fields.ts';

/** Bytes. RFC 791 and, for IPv6, RFC 8200 ask for no less; the kernel's ETH_MAX_MTU. */
const MTU_BOUNDS = { lowest: 68, highest: 65535 } as const;

/** 802.1Q has 12 bits for it; 0 and 4095 are reserved. */
const HIGHEST_VLAN = 4094;

/**
 * The body of POST /fairway/links: { Ends: [End, End], Mtu }.
 * @throws EngineError invalidArgument naming the field
 */
export function parseLinkRequest(body: unknown): { a: EndRequest; b: EndRequest; mtu?: number } {
  const fields = new Fields(body, '');
  const ends = fields.children('Ends').map(parseEnd);
  const mtu = parseMtu(fields);
  fields.close();
  const [a, b, ...more] = ends;
  if (a === undefined || b === undefined || more.length > 0) throw invalid('a link has two ends');
  return { a, b, ...mtu };
}

/**
 * The body of POST /fairway/attachments: { End, one of Bridge, Switch and Parent, Vlan, Mtu }.
 * @throws EngineError invalidArgument naming the field
 */
export function parseAttachRequest(body: unknown): { target: AttachmentTarget; end: EndRequest; mtu?: number } {
  const fields = new Fields(body, '');
  const end = parseEnd(fields.child('End'));
  const target = parseTarget(fields);
  const mtu = parseMtu(fields);
  fields.close();
  return { target, end, ...mtu };
}

function parseTarget(fields: Fields): AttachmentTarget {
  const [bridge, ovs, parent] = [fields.text('Bridge'), fields.text('Switch'), fields.text('Parent')];
  const tag = fields.integer('Vlan');
  if ([bridge, ovs, parent].filter((name) => name !== '').length !== 1) {
    throw invalid('attach to one thing: a bridge, a switch or a parent');
  }
  if (tag !== undefined && ovs === '') throw invalid('a VLAN is only for a switch');
  if (tag !== undefined && (tag < 1 || tag > HIGHEST_VLAN)) {
    throw invalid(`vlan id must be between 1-${HIGHEST_VLAN}, received: ${tag}`);
  }
  if (ovs !== '') return { kind: 'switch', bridge: ovs, ...(tag === undefined ? {} : { tag }) };
  return bridge === '' ? { kind: 'parent', parent } : { kind: 'bridge', bridge };
}

/** End: { Container, Interface, Mac, Addresses: ["10.1.1.1/24"], Gateways: ["10.1.1.254"] } */
function parseEnd(fields: Fields): EndRequest {
  const container = fields.text('Container');
  const interfaceName = fields.text('Interface');
  const mac = fields.text('Mac');
  const addresses = fields.texts('Addresses').map(parseAddress);
  const gateways = fields.texts('Gateways').map(parseIpAddress);
  fields.close();
  if (container === '') throw invalid('a container is missing');
  return {
    container,
    ...(interfaceName === '' ? {} : { interfaceName }),
    ...(mac === '' ? {} : { mac: parseMacAddress(mac) }),
    addresses,
    gateways,
  };
}

/** An address alone would not say how far its network goes. */
function parseAddress(text: string): InterfaceAddress {
  if (!text.includes('/')) throw invalid(`invalid address ${text}: say how long its prefix is, as in ${text}/24`);
  return parseInterfaceAddress(text);
}

function parseMtu(fields: Fields): { mtu?: number } {
  const mtu = fields.integer('Mtu');
  if (mtu === undefined) return {};
  if (mtu < MTU_BOUNDS.lowest || mtu > MTU_BOUNDS.highest) throw invalid(`invalid MTU number: ${mtu}`);
  return { mtu };
}
