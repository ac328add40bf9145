import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decode, encodeQuery } from '../../test/dns/reference.ts';
import { plainNetwork } from '../../test/plain-network.ts';
import { outsideOf } from '../dns/outside.ts';
import { Responder } from '../dns/responder.ts';
import { parseBridgeOptions } from '../drivers/bridge/options.ts';
import { type IpAddress, interfaceAddress, makePrefix, parseIpAddress, parseMacAddress } from '../model/address.ts';
import type { Container } from '../model/container.ts';
import type { Endpoint, Network, Sandbox } from '../model/network.ts';
import type { NamespaceName } from '../model/resource.ts';
import { Store } from '../store/store.ts';
import type { EngineConfig } from './config.ts';
import { HostResolver } from './host-resolver.ts';
import { Names } from './names.ts';
import { State } from './state.ts';

/** Few names for many, so that they meet; two with dots, which read as a name and a network */
const WORDS = ['web', 'db', 'www', 'app', 'a.b', 'web.net0', 'net1', 'x'.repeat(63)];
const [A, PTR, AAAA, SRV, ANY] = [1, 12, 28, 33, 255];

interface Member {
  readonly name: string;
  readonly aliases: readonly string[];
  /** Numbers of networks; the host's part of its address is its own number on all of them */
  readonly on: readonly number[];
  readonly dual: boolean;
}

interface World {
  readonly networks: number;
  readonly members: readonly Member[];
}

const world: fc.Arbitrary<World> = fc.integer({ min: 1, max: 4 }).chain((networks) =>
  fc.record({
    networks: fc.constant(networks),
    members: fc.array(
      fc.record({
        name: fc.constantFrom(...WORDS),
        aliases: fc.uniqueArray(fc.constantFrom(...WORDS), { maxLength: 3 }),
        on: fc.uniqueArray(fc.nat(networks - 1), { minLength: 1 }),
        dual: fc.boolean(),
      }),
      { minLength: 1, maxLength: 12 },
    ),
  }),
);

const question = fc.record({
  labels: fc
    .tuple(fc.constantFrom(...WORDS), fc.constantFrom('', '.net0', '.net1', '.net2', '.NET0', '._x'))
    .map(([word, network]) => `${word}${network}`.split('.')),
  type: fc.constantFrom(A, PTR, AAAA, SRV, ANY, 15),
  upper: fc.boolean(),
  size: fc.option(fc.constantFrom(0, 512, 1232, 4096, 65535)),
});

const addressOn = (net: number, host: number): IpAddress => parseIpAddress(`10.${net}.0.${host + 2}`);
const sixOn = (net: number, host: number): IpAddress => parseIpAddress(`fd00:0:0:${net}::${host + 2}`);
const sandboxOf = (index: number): NamespaceName => `sandbox:${index}`;

/** On which network an address of such a world is. @param data IPv4 in the usual form, IPv6 as 32 digits */
function networkOf(data: string): number {
  return data.includes('.') ? Number(data.split('.')[1]) : Number.parseInt(data.slice(12, 16), 16);
}

function network(index: number): Network {
  const subnet = makePrefix(addressOn(index, 0), 24);
  const pool = { subnet, gateway: parseIpAddress(`10.${index}.0.1`), auxiliary: {} };
  return plainNetwork<unknown>(`net${index}`, parseBridgeOptions({}), {
    id: `net-${index}`,
    ipv6: true,
    pools: [pool],
  });
}

function container({ name, aliases, on }: Member, index: number): Container {
  const endpoints = on.map((net) => ({ network: `net${net}`, aliases, driverOptions: {}, gatewayPriority: 0 }));
  const lists = { dns: [], dnsOptions: [], dnsSearch: [], exposedPorts: ['80/tcp'] };
  const spec = { hostname: name, endpoints, ...lists, networkMode: { kind: 'network', name: `net${on[0]}` } };
  return { id: `${index}`.padStart(16, '0'), name, spec, state: {} } as unknown as Container;
}

function endpoint({ dual }: Member, index: number, net: number): Endpoint {
  const four = interfaceAddress(addressOn(net, index), 24);
  const six = dual ? [interfaceAddress(sixOn(net, index), 64)] : [];
  const refers = { network: `net-${net}`, sandbox: `box-${index}`, container: `${index}`.padStart(16, '0') };
  const link = { interfaceName: 'eth0', mac: parseMacAddress('02:00:00:00:00:01'), gateways: [], ports: [] };
  return { id: `${index}-${net}`, ...refers, ...link, addresses: [four, ...six] };
}

const nothing = () => undefined;
const QUIET = { debug: nothing, info: nothing, warn: nothing, error: nothing };
const CONFIG = { network: { dns: [], dnsOptions: [], dnsSearch: [], hostGateways: [] } } as unknown as EngineConfig;

/** The resolver of such a world, as the daemon puts it together, but for servers to ask. */
function resolverOf({ networks, members }: World): Responder {
  const state = new State(Store.open(':memory:'));
  state.apply({
    put: {
      networks: Array.from({ length: networks }, (_, index) => network(index)),
      containers: members.map(container),
      sandboxes: members.map((_, i): Sandbox => ({ id: `box-${i}`, namespace: sandboxOf(i), resolver: true })),
      endpoints: members.flatMap((member, index) => member.on.map((net) => endpoint(member, index, net))),
    },
  });
  const names = new Names(state, CONFIG, new HostResolver(QUIET));
  const source = {
    lookup: names.lookup.bind(names),
    services: names.services.bind(names),
    reverse: names.reverse.bind(names),
    outside: (namespace: NamespaceName) =>
      outsideOf(namespace, { upstreams: [], forwards: true, ndotsSet: false, search: [] }),
  };
  return new Responder({ names: source, servicePorts: new Map([['http/tcp', 80]]) }, () => {
    throw new Error('nobody is asked');
  });
}

/** @returns the reply, which comes at once, since there is nobody to ask */
function ask(resolver: Responder, from: number, query: Buffer): Buffer {
  let late: Buffer | undefined;
  const reply = resolver.handle(sandboxOf(from), query, 'udp', (message) => {
    late = message;
  });
  const answer = reply ?? late;
  assert.ok(answer);
  return answer;
}

test('in any world of networks, a container hears of nobody it shares no network with, by any question', () => {
  fc.assert(
    fc.property(world, fc.array(question, { minLength: 1, maxLength: 8 }), (world, questions) => {
      const resolver = resolverOf(world);
      for (const [from, { on }] of world.members.entries()) {
        for (const { labels, type, upper, size } of questions) {
          const asked = type === SRV ? ['_http', '_tcp', ...labels] : labels;
          const cased = upper ? asked.map((label) => label.toUpperCase()) : asked;
          const edns = size === null ? {} : { edns: { size } };
          const reply = decode(ask(resolver, from, encodeQuery({ labels: cased, type, ...edns })));
          assert.equal(reply.questions[0]?.name, cased.join('.'), 'the question comes back letter by letter');
          for (const record of [...reply.answers, ...reply.additionals]) {
            if (record.type === A || record.type === AAAA) assert.ok(on.includes(networkOf(record.data)), record.data);
          }
        }
      }
    }),
    { numRuns: 150 },
  );
});

test('in any world, an address leads to a name only where its network is shared', () => {
  fc.assert(
    fc.property(world, (world) => {
      const resolver = resolverOf(world);
      for (const [from, { on }] of world.members.entries()) {
        for (const [host, member] of world.members.entries()) {
          for (const net of member.on) {
            const labels = [...addressOn(net, host).split('.').reverse(), 'in-addr', 'arpa'];
            const { answers } = decode(ask(resolver, from, encodeQuery({ labels, type: PTR })));
            assert.equal(answers.length > 0, on.includes(net), `${from} asks for ${host} on ${net}`);
          }
        }
      }
    }),
    { numRuns: 100 },
  );
});

test('over UDP no answer is larger than its client takes, none than 4096 bytes, and an error than the question and EDNS', () => {
  const members = Array.from({ length: 120 }, (): Member => ({ name: 'many', aliases: ['web'], on: [0], dual: true }));
  const resolver = resolverOf({ networks: 1, members });
  fc.assert(
    fc.property(question, ({ labels, type, size }) => {
      const edns = size === null ? {} : { edns: { size } };
      const query = encodeQuery({ labels: type === SRV ? ['_80', '_tcp', ...labels] : labels, type, ...edns });
      const reply = ask(resolver, 0, query);
      assert.ok(reply.length <= Math.min(Math.max(size ?? 0, 512), 4096), `${reply.length} bytes`);
      if (((reply[3] ?? 0) & 15) !== 0) assert.ok(reply.length <= query.length, `an error of ${reply.length} bytes`);
    }),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      const reply = resolver.handle(sandboxOf(0), Buffer.from(bytes), 'udp', nothing);
      assert.ok(reply === undefined || reply.length <= 4096);
    }),
  );
});
