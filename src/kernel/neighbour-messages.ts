/** Who holds which address, as the kernel has it: include/uapi/linux/neighbour.h, include/uapi/linux/filter.h */

import type { IpAddress, MacAddress } from '../model/address.ts';
import { Attributes, fixedHeader, type Message } from './netlink.ts';
import type { FilterStep } from './netlink-socket.ts';
import { AF_BRIDGE, ipOf, macOf } from './rtnetlink-messages.ts';

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;

export const NDA_DST = 1;
export const NDA_LLADDR = 2;
const NDA_MASTER = 9;
/** Believed until it is used: then it is asked for again */
export const NUD_STALE = 0x04;
export const NUD_PERMANENT = 0x80;
const NUD_NOARP = 0x40;
/** Of the bridge itself */
export const NTF_SELF = 0x02;
/** Of the bridge that the link is a port of */
export const NTF_MASTER = 0x04;
const NTF_EXT_LEARNED = 0x10;
const NTF_STICKY = 0x40;
/** sizeof(struct ndmsg): family, padding (3), index (4), state (2), flags, type */
const NDMSG_SIZE = 12;

/** Entries of which the kernel believes nobody else, and which it does not let go of. */
const FIXED_STATES = NUD_PERMANENT | NUD_NOARP;
const FIXED_FLAGS = NTF_EXT_LEARNED | NTF_STICKY;

/** Who holds an IP address. */
export interface NeighbourInfo {
  readonly kind: 'neighbour';
  /** Index of the link it is behind */
  readonly link: number;
  readonly address: IpAddress;
  /** undefined while it is being asked for, or when nobody answered */
  readonly mac?: MacAddress;
  /** Somebody has said so, and nothing that is heard changes it */
  readonly fixed: boolean;
  /** Said for good by an administrator (NUD_PERMANENT); the kernel itself says others, of groups */
  readonly permanent: boolean;
}

/** By which port a bridge reaches a MAC address. */
export interface ForwardingInfo {
  readonly kind: 'forwarding';
  /** Index of the port; of the bridge, where the address is the bridge's own */
  readonly port: number;
  /** Index */
  readonly bridge: number;
  readonly mac: MacAddress;
  readonly fixed: boolean;
}

/** @returns undefined for families other than IPv4, IPv6 and bridges, and for what a link without a bridge filters */
export function parseNeighbour(message: Message): NeighbourInfo | ForwardingInfo | undefined {
  const header = fixedHeader(message, NDMSG_SIZE);
  const family = header.readUInt8(0);
  const index = header.readInt32LE(4);
  const state = header.readUInt16LE(8);
  const fixed = (state & FIXED_STATES) !== 0 || (header.readUInt8(10) & FIXED_FLAGS) !== 0;
  const attributes = Attributes.parse(header, NDMSG_SIZE);
  const mac = macOf(attributes.bytes(NDA_LLADDR));
  if (family === AF_BRIDGE) {
    const bridge = attributes.u32(NDA_MASTER);
    return bridge === undefined || mac === undefined
      ? undefined
      : { kind: 'forwarding', port: index, bridge, mac, fixed };
  }
  const address = ipOf(family, attributes.bytes(NDA_DST));
  if (address === undefined) return undefined;
  const permanent = (state & NUD_PERMANENT) !== 0;
  return { kind: 'neighbour', link: index, address, ...(mac === undefined ? {} : { mac }), fixed, permanent };
}

/** struct ndmsg */
export function neighbourHeader(family: number, index: number, state: number, flags: number): Buffer {
  const header = Buffer.alloc(NDMSG_SIZE);
  header[0] = family;
  header.writeInt32LE(index, 4);
  header.writeUInt16LE(state, 8);
  header[10] = flags;
  return header;
}

/** BPF_LD | BPF_ABS, of two bytes, which are taken for big-endian, and of one */
const LOAD_TWO = 0x28;
const LOAD_ONE = 0x30;
/** BPF_JMP | BPF_K, BPF_JEQ and BPF_JSET */
const IF_EQUAL = 0x15;
const IF_ANY_BIT = 0x45;
const RETURN = 0x06;
/** In a message, behind struct nlmsghdr of 16 bytes */
const TYPE_AT = 4;
const FAMILY_AT = 16;
const STATE_AT = 16 + 8;
const FLAGS_AT = 16 + 10;
const ALL = 0xffffffff;

/**
 * For a socket that listens: lets through what is said to be fixed, which is rare, and nothing that is learnt, which never ends. Of what
 * was fixed and is gone, what bridges knew.
 */
export const FIXED_ONLY: readonly FilterStep[] = [
  [LOAD_TWO, 0, 0, TYPE_AT],
  [IF_EQUAL, 3, 0, RTM_NEWNEIGH << 8],
  [IF_EQUAL, 0, 6, RTM_DELNEIGH << 8],
  [LOAD_ONE, 0, 0, FAMILY_AT],
  [IF_EQUAL, 0, 4, AF_BRIDGE],
  [LOAD_ONE, 0, 0, STATE_AT],
  [IF_ANY_BIT, 3, 0, FIXED_STATES],
  [LOAD_ONE, 0, 0, FLAGS_AT],
  [IF_ANY_BIT, 1, 0, FIXED_FLAGS],
  [RETURN, 0, 0, 0],
  [RETURN, 0, 0, ALL],
];
