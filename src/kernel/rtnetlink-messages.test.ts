import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parsePrefix } from '../model/address.ts';
import { KernelError } from '../model/errors.ts';
import { parseFirewallEvent, parseRouteEvent } from './events.ts';
import { parseNeighbour, RTM_NEWNEIGH } from './neighbour-messages.ts';
import { type Message, MessageBatch, parseMessages } from './netlink.ts';
import * as rt from './rtnetlink-messages.ts';

function one(batch: MessageBatch): Message {
  const [message] = parseMessages(batch.end().finish(1));
  assert.ok(message);
  return message;
}

const NETFILTER = 10 << 8;

test('a route without RTA_DST is the default route; table numbers above 255 come as an attribute', () => {
  const header = [2, 0, 0, 0, 252, 3, 0, 1, 0, 0, 0, 0];
  const batch = new MessageBatch().begin(rt.RTM_NEWROUTE, 0).raw(header);
  batch
    .bytes(rt.RTA_GATEWAY, Uint8Array.of(192, 0, 2, 1))
    .u32(rt.RTA_OIF, 7)
    .u32(15, 1000);
  assert.deepEqual(rt.parseRoute(one(batch)), {
    destination: '0.0.0.0/0',
    gateway: '192.0.2.1',
    link: 7,
    table: 1000,
    protocol: 3,
    scope: 0,
    type: 1,
  });
});

test('host bits in what the kernel says make no prefix that others would refuse', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(2, 10),
      fc.nat(255),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (f, length, ip) => {
        const batch = new MessageBatch().begin(rt.RTM_NEWROUTE, 0).raw([f, length, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]);
        const route = rt.parseRoute(one(batch.bytes(rt.RTA_DST, ip.subarray(0, f === 2 ? 4 : 16))));
        assert.ok(route);
        assert.equal(parsePrefix(route.destination), route.destination);
      },
    ),
  );
});

test('other families and cache entries are left out', () => {
  const other = new MessageBatch().begin(rt.RTM_NEWROUTE, 0).raw([28, 0, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0]);
  assert.equal(rt.parseRoute(one(other)), undefined);
  const cloned = new MessageBatch().begin(rt.RTM_NEWROUTE, 0).raw([10, 128, 0, 0, 254, 3, 0, 1, 0, 2, 0, 0]);
  assert.equal(rt.parseRoute(one(cloned)), undefined);
});

test('on a point-to-point link the address is our end', () => {
  const batch = new MessageBatch().begin(rt.RTM_NEWADDR, 0).raw([2, 32, 0, 0, 5, 0, 0, 0]);
  batch.bytes(rt.IFA_ADDRESS, Uint8Array.of(10, 0, 0, 2)).bytes(rt.IFA_LOCAL, Uint8Array.of(10, 0, 0, 1));
  assert.deepEqual(rt.parseAddress(one(batch)), { link: 5, address: '10.0.0.1/32' });
  const marked = new MessageBatch().begin(rt.RTM_NEWADDR, 0).raw([2, 24, 0, 0, 5, 0, 0, 0]);
  marked.bytes(rt.IFA_LOCAL, Uint8Array.of(10, 0, 0, 1)).u8(rt.IFA_PROTO, 70);
  assert.deepEqual(rt.parseAddress(one(marked)), { link: 5, address: '10.0.0.1/24', protocol: 70 });
});

test('random bytes behind any message type are read or refused with EBADMSG', () => {
  const readers = [rt.parseLink, rt.parseAddress, rt.parseRoute, parseNeighbour, parseRouteEvent, parseFirewallEvent];
  const bytes = fc.uint8Array({ maxLength: 120 });
  fc.assert(
    fc.property(bytes, fc.constantFrom(16, 17, 20, 24, 28, NETFILTER, NETFILTER | 15), (payload, type) => {
      const message: Message = { type, flags: 0, sequence: 1, port: 0, payload: Buffer.from(payload) };
      for (const read of readers) {
        try {
          read(message);
        } catch (error) {
          assert.ok(error instanceof KernelError && error.code === 'EBADMSG', String(error));
        }
      }
    }),
  );
});

test('a neighbour that has not answered has no MAC address', () => {
  const batch = new MessageBatch().begin(RTM_NEWNEIGH, 0).raw([2, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0]);
  const neighbour = parseNeighbour(one(batch.bytes(1, Uint8Array.of(10, 0, 0, 9))));
  assert.deepEqual(neighbour, { kind: 'neighbour', link: 3, address: '10.0.0.9', fixed: false, permanent: false });
});

test('where a bridge finds a MAC address is told with the bridge, and whether somebody said so', () => {
  const mac = Uint8Array.of(2, 0, 0, 0, 0, 9);
  const entry = (state: number, flags: number) =>
    new MessageBatch().begin(RTM_NEWNEIGH, 0).raw([7, 0, 0, 0, 3, 0, 0, 0, state, 0, flags, 0]).bytes(2, mac);
  const found = { kind: 'forwarding', port: 3, bridge: 2, mac: '02:00:00:00:00:09' };
  const [learnt, sticky, fixed] = [entry(2, 0), entry(2, 0x40), entry(0x40, 0)].map((batch) => batch.u32(9, 2));
  assert.ok(learnt && sticky && fixed);
  assert.deepEqual(parseNeighbour(one(learnt)), { ...found, fixed: false });
  assert.deepEqual(parseNeighbour(one(sticky)), { ...found, fixed: true });
  assert.deepEqual(parseNeighbour(one(fixed)), { ...found, fixed: true });
  assert.equal(parseNeighbour(one(entry(0x80, 2))), undefined, 'a link’s own filter');
});

test('the end of a transaction names its number and its author', () => {
  const batch = new MessageBatch()
    .begin(NETFILTER | 15, 0)
    .raw([0, 0, 0, 0])
    .be32(1, 41)
    .be32(2, 4711)
    .text(3, 'nft');
  assert.deepEqual(parseFirewallEvent(one(batch)), { kind: 'generation', generation: 41, author: 'nft' });
});

test('a deleted element is told with its table', () => {
  const batch = new MessageBatch()
    .begin(NETFILTER | 14, 0)
    .raw([1, 0, 0, 0])
    .text(1, 'fairway')
    .text(2, 'ports');
  assert.deepEqual(parseFirewallEvent(one(batch)), {
    kind: 'firewall',
    removed: true,
    family: 1,
    table: 'fairway',
    element: true,
  });
});

test('what is not nftables is not the firewall', () => {
  assert.equal(parseFirewallEvent(one(new MessageBatch().begin(0x0100, 0).raw([0, 0, 0, 0]))), undefined);
});
