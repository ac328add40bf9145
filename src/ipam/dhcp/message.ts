import {
  addressBytes,
  addressFromBytes,
  type IpAddress,
  type MacAddress,
  macBytes,
  macFromBytes,
} from '../../model/address.ts';

/** RFC 2131 section 2: what clients and servers say to each other. */
export interface DhcpMessage {
  /** 1: from a client, 2: from a server */
  readonly op: 1 | 2;
  readonly xid: number;
  /** Seconds since the client began */
  readonly seconds: number;
  /** The client cannot hear unicast yet */
  readonly broadcast: boolean;
  /** The client's address, when it may use it already */
  readonly client: IpAddress;
  /** The address it is given */
  readonly yours: IpAddress;
  readonly mac: MacAddress;
  /** By number (RFC 2132) */
  readonly options: ReadonlyMap<number, Uint8Array>;
}

/** RFC 2132 */
export const OPTION = {
  subnetMask: 1,
  router: 3,
  dns: 6,
  hostName: 12,
  requestedAddress: 50,
  leaseTime: 51,
  overload: 52,
  messageType: 53,
  server: 54,
  parameters: 55,
  renewalTime: 58,
  rebindingTime: 59,
  clientId: 61,
} as const;

export const MESSAGE = { discover: 1, offer: 2, request: 3, decline: 4, ack: 5, nak: 6, release: 7 } as const;

/** Offsets of struct dhcp (RFC 2131 section 2, figure 1) */
const CIADDR = 12;
const YIADDR = 16;
const CHADDR = 28;
const SNAME = { at: 44, size: 64 } as const;
const FILE = { at: 108, size: 128 } as const;
const COOKIE_AT = 236;
const OPTIONS_AT = 240;
const COOKIE = 0x63825363;
/** BOOTP's size, which some relays and servers insist on: 236 + 64 */
const SMALLEST = 300;
const BROADCAST = 0x8000;
const PAD = 0;
const END = 255;

export function encode(message: DhcpMessage): Buffer {
  const options: number[] = [];
  for (const [code, value] of message.options) {
    // Longer ones go on in another option of the same number (RFC 3396).
    for (let at = 0; at === 0 || at < value.length; at += 255) {
      const part = value.subarray(at, at + 255);
      options.push(code, part.length, ...part);
    }
  }
  options.push(END);
  const bytes = Buffer.alloc(Math.max(SMALLEST, OPTIONS_AT + options.length));
  bytes.set([message.op, 1 /* Ethernet */, 6, 0]);
  bytes.writeUInt32BE(message.xid, 4);
  bytes.writeUInt16BE(Math.min(message.seconds, 0xffff), 8);
  bytes.writeUInt16BE(message.broadcast ? BROADCAST : 0, 10);
  bytes.set(addressBytes(message.client), CIADDR);
  bytes.set(addressBytes(message.yours), YIADDR);
  bytes.set(macBytes(message.mac), CHADDR);
  bytes.writeUInt32BE(COOKIE, COOKIE_AT);
  bytes.set(options, OPTIONS_AT);
  return bytes;
}

/** @returns undefined for what is no DHCP message over Ethernet */
export function decode(bytes: Uint8Array): DhcpMessage | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (buffer.length < OPTIONS_AT || buffer.readUInt32BE(COOKIE_AT) !== COOKIE) return undefined;
  const op = buffer.readUInt8(0);
  if ((op !== 1 && op !== 2) || buffer.readUInt8(1) !== 1 || buffer.readUInt8(2) !== 6) return undefined;
  return {
    op,
    xid: buffer.readUInt32BE(4),
    seconds: buffer.readUInt16BE(8),
    broadcast: (buffer.readUInt16BE(10) & BROADCAST) !== 0,
    client: addressFromBytes(buffer.subarray(CIADDR, CIADDR + 4)),
    yours: addressFromBytes(buffer.subarray(YIADDR, YIADDR + 4)),
    mac: macFromBytes(buffer.subarray(CHADDR, CHADDR + 6)),
    options: readOptions(buffer),
  };
}

/** With option 52 they go on where the names of a boot file and of its server would be. */
function readOptions(buffer: Buffer): Map<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  readArea(buffer.subarray(OPTIONS_AT), options);
  const overload = options.get(OPTION.overload)?.[0] ?? 0;
  if ((overload & 1) !== 0) readArea(buffer.subarray(FILE.at, FILE.at + FILE.size), options);
  if ((overload & 2) !== 0) readArea(buffer.subarray(SNAME.at, SNAME.at + SNAME.size), options);
  return options;
}

/** What is cut off counts for nothing. */
function readArea(area: Buffer, options: Map<number, Uint8Array>): void {
  for (let at = 0; at < area.length; ) {
    const code = area[at] ?? END;
    if (code === END) return;
    if (code === PAD) {
      at++;
      continue;
    }
    const length = area[at + 1];
    if (length === undefined || at + 2 + length > area.length) return;
    const value = area.subarray(at + 2, at + 2 + length);
    options.set(code, Uint8Array.from(Buffer.concat([options.get(code) ?? new Uint8Array(), value])));
    at += 2 + length;
  }
}

/** Addresses of an option that holds some; those that are cut off are left out. */
export function addressesOf({ options }: DhcpMessage, code: number): IpAddress[] {
  const bytes = options.get(code) ?? new Uint8Array();
  return Array.from({ length: bytes.length >> 2 }, (_, i) => addressFromBytes(bytes.subarray(4 * i, 4 * i + 4)));
}

/** A number of 32 bits; undefined when the option is absent or of another size. */
export function numberOf({ options }: DhcpMessage, code: number): number | undefined {
  const bytes = options.get(code);
  return bytes?.length === 4 ? Buffer.from(bytes).readUInt32BE() : undefined;
}
