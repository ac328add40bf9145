import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress } from '../model/address.ts';
import type { ContainerSpec } from '../model/container.ts';
import type { PublishedPort } from '../model/network.ts';
import {
  joinRanges,
  PortAllocator,
  type PortWish,
  parsePortList,
  parsePortRange,
  portWishes,
  type Way,
} from './ports.ts';

const ANY = parseIpAddress('0.0.0.0');
const LOOPBACK = parseIpAddress('127.0.0.1');

const wish = (containerPort: number, first?: number, last = first, hostAddress = ANY): PortWish => ({
  protocol: 'tcp',
  containerPort,
  hostAddresses: [hostAddress],
  ...(first === undefined || last === undefined ? {} : { hostPorts: { first, last } }),
});
const port = (containerPort: number, hostPort: number, count = 1, hostAddress = ANY): PublishedPort => ({
  protocol: 'tcp',
  containerPort,
  hostAddress,
  hostPort,
  count,
});
const allocator = () => new PortAllocator({ ephemeral: { first: 40000, last: 40003 } });

test('a fixed port, and Docker’s words when another container has it', () => {
  assert.deepEqual(allocator().allocate([wish(80, 8080)], []), [port(80, 8080)]);
  assert.throws(() => allocator().allocate([wish(80, 8080)], [port(81, 8079, 5)]), {
    message: 'Bind for 0.0.0.0:8080 failed: port is already allocated',
  });
});

test('any address excludes every address, two addresses do not exclude each other', () => {
  const held = [port(80, 8080, 1, LOOPBACK)];
  assert.throws(() => allocator().allocate([wish(80, 8080)], held), /port is already allocated/);
  const other = parseIpAddress('192.0.2.5');
  assert.deepEqual(allocator().allocate([wish(80, 8080, 8080, other)], held), [port(80, 8080, 1, other)]);
  assert.throws(() => allocator().allocate([wish(80, 8080, 8080, LOOPBACK)], [port(1, 8080)]), /127.0.0.1:8080 failed/);
});

test('one number on any address of both families; the holder is named', () => {
  const any6 = parseIpAddress('::');
  const both: PortWish = { ...wish(80, 8080), hostAddresses: [ANY, any6] };
  assert.deepEqual(allocator().allocate([both], []), [port(80, 8080), port(80, 8080, 1, any6)]);
  const loopback6 = parseIpAddress('::1');
  const held = [{ ...port(1, 40000, 2, loopback6), holder: 'web' }];
  assert.throws(() => allocator().allocate([{ ...both, hostPorts: { first: 40001, last: 40001 } }], held), {
    message: 'Bind for [::]:40001 failed: port is already allocated: container "web" has it',
  });
  const { hostPorts: _, ...ephemeral } = both;
  assert.deepEqual(
    allocator()
      .allocate([ephemeral], held)
      .map(({ hostPort }) => hostPort),
    [40002, 40002],
  );
  assert.equal(allocator().allocate([wish(80, 40000)], held)[0]?.hostPort, 40000);
});

test('where -p leads: the binding’s address, the network’s, or any of both families', () => {
  const binding = (hostAddress?: string) => ({
    protocol: 'tcp' as const,
    containerPort: 80,
    ...(hostAddress === undefined ? {} : { hostAddress: parseIpAddress(hostAddress) }),
  });
  const places = (families: readonly (4 | 6)[], hostBinding: string, ...bindings: ReturnType<typeof binding>[]) => {
    const spec = { portBindings: bindings, exposedPorts: [], publishAll: false } as unknown as ContainerSpec;
    const ways = new Map(families.map((family) => [family, 'translated' as const]));
    const wishes = portWishes(spec, { hostBinding: parseIpAddress(hostBinding), families: ways });
    return wishes.flatMap(({ hostAddresses }) => hostAddresses);
  };
  assert.deepEqual(places([4, 6], '0.0.0.0', binding()), ['0.0.0.0', '::']);
  assert.deepEqual(places([4], '0.0.0.0', binding()), ['0.0.0.0']);
  assert.deepEqual(places([6], '0.0.0.0', binding(), binding('127.0.0.1')), ['::']);
  assert.deepEqual(places([4, 6], '127.0.0.1', binding()), ['127.0.0.1']);
  assert.deepEqual(places([4, 6], '::', binding(), binding('0.0.0.0')), ['::', '0.0.0.0']);
});

test('where nothing is translated no port of the host is taken; SCTP is not passed on', () => {
  const place = (six: Way) => ({
    hostBinding: ANY,
    families: new Map<4 | 6, Way>([
      [4, 'routed'],
      [6, six],
    ]),
  });
  const hostPorts = { first: 8080, last: 8080 };
  const binding = (protocol: 'tcp' | 'sctp') => ({ protocol, containerPort: 80, hostPorts });
  const spec = { portBindings: [binding('tcp'), binding('sctp')], exposedPorts: [], publishAll: false };
  const published = (six: Way) =>
    allocator()
      .allocate(portWishes(spec as unknown as ContainerSpec, place(six)), [port(80, 8080)])
      .map(({ protocol, hostAddress, hostPort }) => `${protocol} ${hostAddress} ${hostPort}`);
  assert.deepEqual(published('routed'), ['sctp 0.0.0.0 0', 'sctp :: 0', 'tcp 0.0.0.0 0', 'tcp :: 0']);
  assert.deepEqual(published('translated'), ['sctp 0.0.0.0 0', 'sctp :: 8080', 'tcp 0.0.0.0 0', 'tcp :: 8080']);
  assert.deepEqual(published('relayed'), ['sctp 0.0.0.0 0', 'tcp 0.0.0.0 0', 'tcp :: 8080']);
});

test('udp and tcp do not meet', () => {
  const udp: PortWish = { ...wish(53, 5300), protocol: 'udp' };
  assert.equal(allocator().allocate([udp], [port(53, 5300)])[0]?.hostPort, 5300);
});

test('one of a range is chosen, then the next, then none is left', () => {
  const ports = allocator();
  const held: PublishedPort[] = [];
  for (const expected of [9000, 9001]) {
    const [chosen] = ports.allocate([wish(80, 9000, 9001)], held);
    assert.equal(chosen?.hostPort, expected);
    held.push(...(chosen === undefined ? [] : [chosen]));
  }
  assert.throws(() => ports.allocate([wish(80, 9000, 9001)], held), { message: 'all ports are allocated' });
});

test('what a process of the host holds is passed by, unless there is no choice', () => {
  const ephemeral = { first: 40000, last: 40003 };
  const ports = new PortAllocator({ ephemeral, isUnused: (_protocol, _address, number) => number % 10 !== 0 });
  assert.equal(ports.allocate([wish(80, 9000, 9001)], [])[0]?.hostPort, 9001);
  assert.equal(ports.allocate([wish(80)], [])[0]?.hostPort, 40001);
  assert.equal(ports.allocate([wish(80, 9000)], [])[0]?.hostPort, 9000);
  const none = new PortAllocator({ ephemeral, isUnused: () => false });
  assert.throws(() => none.allocate([wish(80)], []), { message: 'all ports are allocated' });
});

test('ephemeral ports go on from the last one, wrap around, avoid reserved ones, and end', () => {
  const ports = new PortAllocator({ ephemeral: { first: 40000, last: 40003 }, reserved: parsePortList('40001\n') });
  const numbers = () => ports.allocate([wish(80)], [])[0]?.hostPort;
  assert.deepEqual([numbers(), numbers(), numbers(), numbers()], [40000, 40002, 40003, 40000]);
  assert.throws(() => ports.allocate([wish(1)], [port(9, 40000, 4)]), { message: 'all ports are allocated' });
});

test('those without a choice come first', () => {
  const chosen = allocator().allocate([wish(1), wish(2, 9000, 9001), wish(3, 9000)], []);
  assert.deepEqual(
    chosen.map(({ containerPort, hostPort }) => [containerPort, hostPort]),
    [
      [1, 40000],
      [2, 9001],
      [3, 9000],
    ],
  );
});

test('five hundred neighbours become one range', () => {
  const wishes = Array.from({ length: 500 }, (_, i) => wish(7000 + i, 20000 + i)).reverse();
  assert.deepEqual(allocator().allocate(wishes, []), [port(7000, 20000, 500)]);
  assert.deepEqual(joinRanges([port(1, 10), port(2, 12), port(3, 13)]), [port(1, 10), port(2, 12, 2)]);
});

test('the kernel’s range is read, and something else is not believed', () => {
  assert.deepEqual(parsePortRange('32768\t60999\n'), { first: 32768, last: 60999 });
  assert.deepEqual(parsePortRange('nonsense'), { first: 49153, last: 65535 });
  assert.deepEqual(parsePortList('\n'), []);
  assert.deepEqual(parsePortList('8080,9148-9200'), [
    { first: 8080, last: 8080 },
    { first: 9148, last: 9200 },
  ]);
});
