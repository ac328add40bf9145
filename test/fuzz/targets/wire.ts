import assert from 'node:assert/strict';
import { reverseAddress } from '../../../src/dns/answers.ts';
import { AnswerCache } from '../../../src/dns/cache.ts';
import { lifetimeOf } from '../../../src/dns/lifetime.ts';
import { isReplyTo, parseQuery } from '../../../src/dns/message.ts';
import { Deframer, frame } from '../../../src/grpc/framing.ts';
import { integer, message, nested, repeated, string, stringMap } from '../../../src/grpc/protobuf.ts';
import { readFrame, writeFrame } from '../../../src/ipam/dhcp/frame.ts';
import { addressesOf, decode, encode, MESSAGE, numberOf, OPTION } from '../../../src/ipam/dhcp/message.ts';
import { parseFirewallEvent, parseRouteEvent } from '../../../src/kernel/events.ts';
import { parseNeighbour } from '../../../src/kernel/neighbour-messages.ts';
import { MessageBatch, parseAcknowledgement, parseMessages } from '../../../src/kernel/netlink.ts';
import * as rt from '../../../src/kernel/rtnetlink-messages.ts';
import { parseIpAddress, parseMacAddress, parsePrefix } from '../../../src/model/address.ts';
import { KernelError } from '../../../src/model/errors.ts';
import { encodeQuery } from '../../dns/reference.ts';
import { ofBytes, type Target } from '../target.ts';

const QUERY = encodeQuery({ labels: ['web', 'app'], type: 1, edns: { size: 1232 } });
/** An answer of two records: A, and SOA behind it, with compressed names */
const REPLY = Buffer.from(
  '12348180000100010001000003776562036170700000010001c00c000100010000003c00040a000002c00c000600010000003c0016c00cc00c00000001000000020000000300000004000000ff',
  'hex',
);

function readNetlink(bytes: Buffer): void {
  for (const each of parseMessages(bytes)) {
    const readers = [
      rt.parseLink,
      rt.parseLinkLabel,
      rt.parseCounters,
      rt.parseAddress,
      rt.parseRoute,
      parseNeighbour,
      parseRouteEvent,
      parseFirewallEvent,
      parseAcknowledgement,
    ];
    for (const read of readers) {
      try {
        const result = read(each);
        if (result !== undefined && 'destination' in result)
          assert.equal(parsePrefix(result.destination), result.destination);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
      }
    }
  }
}

/** EBADMSG is what all of this room says of bytes it cannot read. */
function isUnreadable(thrown: unknown): boolean {
  return thrown instanceof KernelError && thrown.code === 'EBADMSG';
}

function route(): Buffer {
  const batch = new MessageBatch().begin(rt.RTM_NEWROUTE, 0).raw([2, 24, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]);
  batch
    .bytes(rt.RTA_DST, Uint8Array.of(10, 0, 0, 0))
    .u32(rt.RTA_OIF, 3)
    .bytes(rt.RTA_GATEWAY, Uint8Array.of(10, 0, 0, 1))
    .end();
  batch.begin(rt.RTM_NEWADDR, 0).raw([10, 64, 0, 0, 5, 0, 0, 0]).bytes(rt.IFA_ADDRESS, new Uint8Array(16).fill(3));
  return Buffer.from(batch.end().finish(1));
}

function link(): Buffer {
  const batch = new MessageBatch().begin(rt.RTM_NEWLINK, 0).raw(new Uint8Array(16));
  batch
    .text(rt.IFLA_IFNAME, 'eth0')
    .u32(rt.IFLA_MTU, 1500)
    .bytes(rt.IFLA_ADDRESS, Uint8Array.of(2, 0, 0, 0, 0, 1));
  batch.nest(rt.IFLA_LINKINFO, (info) => {
    info.text(rt.IFLA_INFO_KIND, 'macvlan').nest(rt.IFLA_INFO_DATA, (data) => data.u32(1, 4));
    info
      .text(rt.IFLA_INFO_SLAVE_KIND, 'bridge')
      .nest(rt.IFLA_INFO_SLAVE_DATA, (data) => data.u8(rt.IFLA_BRPORT_ISOLATED, 1));
  });
  return Buffer.from(batch.end().finish(1));
}

/** 11: the newest generation; with the name of its author. */
function generation(): Buffer {
  const batch = new MessageBatch()
    .begin((10 << 8) | 15, 0)
    .raw([0, 0, 0, 0])
    .be32(1, 7)
    .text(3, 'nft');
  return Buffer.from(
    batch
      .end()
      .begin((10 << 8) | 2, 0)
      .raw([1, 0, 0, 0])
      .text(1, 'fairway')
      .end()
      .finish(1),
  );
}

function readDns(bytes: Buffer): void {
  const query = parseQuery(bytes);
  if (query?.kind !== 'query') return;
  assert.ok(query.questionEnd <= bytes.length && query.udpSize >= 512 && query.udpSize <= 65535);
  reverseAddress(query.name);
  assert.ok(query.name.length <= 2 * 255, 'a name is no longer than its wire form, escapes counted');
}

function readReply(bytes: Buffer): void {
  const query = parseQuery(QUERY);
  assert.ok(query?.kind === 'query');
  if (!isReplyTo(bytes, QUERY, query.questionEnd, 0x1234)) return;
  if (bytes.readUInt16BE(4) !== 1) return;
  lifetimeOf(bytes, query.questionEnd);
  const cache = new AnswerCache();
  const key = AnswerCache.key('', query);
  cache.store(key, bytes, query.questionEnd);
  const found = cache.find(key, QUERY, query.questionEnd);
  if (found !== undefined) assert.equal(found.length, bytes.length);
}

const OFFER = encode({
  op: 2,
  xid: 7,
  seconds: 0,
  broadcast: false,
  client: parseIpAddress('0.0.0.0'),
  yours: parseIpAddress('192.0.2.7'),
  mac: parseMacAddress('02:00:00:00:00:07'),
  options: new Map([
    [OPTION.messageType, Uint8Array.of(MESSAGE.offer)],
    [OPTION.server, Uint8Array.of(192, 0, 2, 1)],
    [OPTION.leaseTime, Uint8Array.of(0, 0, 14, 16)],
    [OPTION.dns, Uint8Array.of(192, 0, 2, 1, 192, 0, 2, 2)],
    [OPTION.overload, Uint8Array.of(3)],
  ]),
});
const FRAME = writeFrame({
  fromMac: parseMacAddress('02:00:00:00:00:01'),
  toMac: parseMacAddress('02:00:00:00:00:07'),
  from: parseIpAddress('192.0.2.1'),
  to: parseIpAddress('255.255.255.255'),
  fromPort: 67,
  toPort: 68,
  payload: OFFER,
});

function readDhcp(bytes: Buffer): void {
  const read = decode(bytes);
  if (read === undefined) return;
  for (const code of Object.values(OPTION)) {
    for (const address of addressesOf(read, code)) assert.equal(parseIpAddress(address), address);
    numberOf(read, code);
  }
  // What was understood is written so that it is understood as the same.
  const again = decode(encode({ ...read, options: withoutOverload(read.options) }));
  assert.deepEqual(again, { ...read, options: withoutOverload(read.options) });
}

function withoutOverload(options: ReadonlyMap<number, Uint8Array>): ReadonlyMap<number, Uint8Array> {
  return new Map([...options].filter(([code]) => code !== OPTION.overload));
}

function readAnyFrame(bytes: Buffer): void {
  const frame = readFrame(bytes);
  if (frame === undefined) return;
  assert.deepEqual(readFrame(writeFrame(frame)), frame);
  readDhcp(Buffer.from(frame.payload));
}

const INNER = message({ name: string(1), size: integer(2) });
const OUTER = message({ id: string(1), inner: nested(2, INNER), list: repeated(3, INNER), labels: stringMap(4) });
const ENCODED = OUTER.encode({
  id: 'a',
  inner: { name: 'b', size: 1 << 20 },
  list: [{ name: 'c' }],
  labels: { d: 'e' },
});

const isRange = (thrown: unknown) => thrown instanceof RangeError;

function readProtobuf(bytes: Buffer): void {
  const read = OUTER.decode(bytes);
  assert.deepEqual(OUTER.decode(OUTER.encode(read)), read);
}

export const targets: readonly Target[] = [
  ofBytes('dns/query', readDns, [
    QUERY,
    encodeQuery({ labels: ['_http', '_tcp', 'web'], type: 33 }),
    encodeQuery({ labels: ['2', '0', '0', '10', 'in-addr', 'arpa'], type: 12 }),
  ]),
  ofBytes('dns/reply', readReply, [REPLY]),
  ofBytes('dhcp/message', readDhcp, [OFFER]),
  ofBytes('dhcp/frame', readAnyFrame, [FRAME]),
  ofBytes('netlink/messages', readNetlink, [route(), link(), generation()], '', isUnreadable),
  ofBytes('containerd/protobuf', readProtobuf, [ENCODED], '', isRange),
  ofBytes('containerd/framing', (bytes) => new Deframer().push(bytes), [frame([ENCODED])], '', isRange),
];
