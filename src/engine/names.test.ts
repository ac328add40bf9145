import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainNetwork } from '../../test/plain-network.ts';
import { parseBridgeOptions } from '../drivers/bridge/options.ts';
import { addressOf, interfaceAddress, parseIpAddress, parseMacAddress, parsePrefix } from '../model/address.ts';
import type { Container, EndpointRequest } from '../model/container.ts';
import type { Endpoint, Network, Sandbox } from '../model/network.ts';
import { Store } from '../store/store.ts';
import type { EngineConfig } from './config.ts';
import { HostResolver } from './host-resolver.ts';
import { Names } from './names.ts';
import { State } from './state.ts';

const NETWORKS = { app: '10.0.1', back: '10.0.2', bridge: '172.17.0', Inner: '10.0.3' } as const;
type NetworkName = keyof typeof NETWORKS;

const CONFIG = { network: { dns: [], dnsOptions: [], dnsSearch: [], hostGateways: [] } } as unknown as EngineConfig;
const nothing = () => undefined;
const QUIET = { debug: nothing, info: nothing, warn: nothing, error: nothing };

function network(name: NetworkName): Network {
  const pool = {
    subnet: parsePrefix(`${NETWORKS[name]}.0/24`),
    gateway: parseIpAddress(`${NETWORKS[name]}.1`),
    auxiliary: {},
  };
  const over = { id: `net-${name}`, internal: name === 'Inner', pools: [pool] };
  return plainNetwork<unknown>(name, parseBridgeOptions({}), over);
}

interface Member {
  readonly name: string;
  readonly host: number;
  readonly on: readonly NetworkName[];
  readonly aliases?: readonly string[];
  readonly dns?: readonly string[];
  readonly exposes?: readonly string[];
  readonly addresses?: readonly string[];
}

function request(network: string, aliases: readonly string[]): EndpointRequest {
  return { network, aliases, driverOptions: {}, gatewayPriority: 0 };
}

function container({ name, on, aliases = [], dns = [], exposes = [] }: Member): Container {
  const endpoints = on.map((to) => request(to, aliases));
  const spec = {
    hostname: `${name}-host`,
    endpoints,
    dns: dns.map(parseIpAddress),
    dnsOptions: [],
    dnsSearch: [],
    exposedPorts: exposes,
    networkMode: { kind: 'network', name: on[0] ?? '' },
  };
  return { id: `${name}0123456789abcdef`, name, spec, state: {} } as unknown as Container;
}

function endpoint({ name, host }: Member, on: NetworkName): Endpoint {
  return {
    id: `${name}-${on}`,
    network: `net-${on}`,
    sandbox: `box-${name}`,
    container: `${name}0123456789abcdef`,
    interfaceName: 'eth0',
    mac: parseMacAddress('02:00:00:00:00:01'),
    addresses: [interfaceAddress(parseIpAddress(`${NETWORKS[on]}.${host}`), 24)],
    gateways: [],
    ports: [],
  };
}

/** A state in memory with these containers running. */
function names(...members: Member[]) {
  const store = Store.open(':memory:');
  const state = new State(store);
  state.apply({
    put: {
      networks: (Object.keys(NETWORKS) as NetworkName[]).map(network),
      containers: members.map(container),
      sandboxes: members.map(
        ({ name }): Sandbox => ({ id: `box-${name}`, namespace: `sandbox:${name}`, resolver: true }),
      ),
      endpoints: members.flatMap((member) => member.on.map((on) => endpoint(member, on))),
    },
  });
  return { state, names: new Names(state, CONFIG, new HostResolver(QUIET)) };
}

const web: Member = { name: 'web', host: 2, on: ['app'], aliases: ['www'] };
const db: Member = { name: 'db', host: 3, on: ['app', 'back'], aliases: ['www', 'my.alias'] };
const lone: Member = { name: 'lone', host: 4, on: ['back'] };

test('name, alias, short id and hostname; an alias of several gives all addresses', () => {
  const { names: source } = names(web, db, lone);
  const ask = (name: string) => source.lookup('sandbox:web', name);
  assert.deepEqual(ask('db'), ['10.0.1.3']);
  assert.deepEqual(ask('db0123456789'), ['10.0.1.3']);
  assert.deepEqual(ask('db-host'), ['10.0.1.3']);
  assert.deepEqual(ask('www'), ['10.0.1.2', '10.0.1.3']);
  assert.deepEqual(ask('web'), ['10.0.1.2']);
});

test('a link is a name for its owner alone, and comes before the names others have', () => {
  const links = [{ container: 'db', alias: 'Web' }];
  const linked = {
    ...container(lone),
    spec: { ...container(lone).spec, endpoints: [{ ...request('back', []), links }] },
  };
  const { names: source, state } = names(web, db, lone);
  state.apply({ put: { containers: [linked] } });
  assert.deepEqual(source.lookup('sandbox:lone', 'web'), ['10.0.2.3']);
  assert.deepEqual(source.lookup('sandbox:db', 'web'), ['10.0.1.2']);
  assert.deepEqual(source.lookup('sandbox:lone', 'web.back'), ['10.0.2.3']);
  state.apply({ remove: { endpoints: ['db-back'] } });
  assert.equal(source.lookup('sandbox:lone', 'web'), undefined);
});

test('only those on a shared network are known', () => {
  const { names: source } = names(web, db, lone);
  assert.equal(source.lookup('sandbox:web', 'lone'), undefined);
  assert.deepEqual(source.lookup('sandbox:lone', 'db'), ['10.0.2.3']);
  assert.deepEqual(source.lookup('sandbox:db', 'www'), ['10.0.1.2', '10.0.1.3']);
  assert.equal(source.lookup('sandbox:nobody', 'web'), undefined);
});

test('with the network’s name behind it, at any dot', () => {
  const { names: source } = names(web, db);
  assert.deepEqual(source.lookup('sandbox:db', 'db.back'), ['10.0.2.3']);
  assert.deepEqual(source.lookup('sandbox:web', 'my.alias.app'), ['10.0.1.3']);
  assert.equal(source.lookup('sandbox:web', 'db.back'), undefined);
  assert.equal(source.lookup('sandbox:web', 'db.example'), undefined);
});

test('of two networks that know a name, the first answers, in the order of gateways; the other adds what it lacks of a family', () => {
  const asker: Member = { name: 'asker', host: 9, on: ['back', 'app'] };
  const one: Member = { name: 'one', host: 5, on: ['app'], aliases: ['cache'] };
  const two: Member = { name: 'two', host: 6, on: ['back'], aliases: ['cache'] };
  const { names: source, state } = names(asker, one, two);
  assert.deepEqual(source.lookup('sandbox:asker', 'cache'), ['10.0.1.5'], 'app comes before back');
  assert.deepEqual(source.lookup('sandbox:asker', 'cache.back'), ['10.0.2.6']);
  const dual = endpoint(two, 'back');
  const six = interfaceAddress(parseIpAddress('fd00::6'), 64);
  state.apply({ put: { endpoints: [{ ...dual, addresses: [...dual.addresses, six] }] } });
  assert.deepEqual(source.lookup('sandbox:asker', 'cache'), ['10.0.1.5', 'fd00::6']);
  const priority = { ...request('back', []), gatewayPriority: 1 };
  const preferring = { ...container(asker).spec, endpoints: [priority, request('app', [])] };
  state.apply({ put: { containers: [{ ...container(asker), spec: preferring }] } });
  assert.deepEqual(source.lookup('sandbox:asker', 'cache'), ['10.0.2.6', 'fd00::6']);
});

test('a service is where a container of that name has the port open', () => {
  const { names: source } = names({ ...web, exposes: ['80/tcp'] }, db);
  const ask = (name: string, port: number) => source.services('sandbox:db', name, { port, protocol: 'tcp' });
  assert.deepEqual(ask('www', 80), [{ name: 'web.app', port: 80, addresses: ['10.0.1.2'] }]);
  assert.deepEqual(ask('web.app', 80), [{ name: 'web.app', port: 80, addresses: ['10.0.1.2'] }]);
  assert.deepEqual(ask('web', 81), []);
  assert.deepEqual(ask('db', 80), []);
});

test('host.docker.internal is the host’s address on the nearest bridge, unless somebody is called so', () => {
  const { names: source } = names(web, { ...lone, on: ['Inner'] });
  const ask = (namespace: `sandbox:${string}`) => source.lookup(namespace, 'host.docker.internal');
  assert.deepEqual(ask('sandbox:web'), ['10.0.1.1']);
  assert.deepEqual(ask('sandbox:lone'), ['10.0.3.1'], 'an internal network has one, too');
  const named = names(web, { ...db, aliases: ['host.docker.internal'] }).names;
  assert.deepEqual(named.lookup('sandbox:web', 'host.docker.internal'), ['10.0.1.3']);
});

test('reverse: the container’s own name and its network', () => {
  const { names: source } = names(web, db, lone);
  assert.equal(source.reverse('sandbox:web', parseIpAddress('10.0.1.3')), 'db.app');
  assert.equal(source.reverse('sandbox:web', parseIpAddress('10.0.2.3')), undefined);
});

test('the default network has no names', () => {
  const { names: source } = names({ ...web, on: ['bridge'] }, { ...db, on: ['bridge', 'app'] });
  assert.equal(source.lookup('sandbox:web', 'db'), undefined);
});

test('a change is seen at once', () => {
  const { names: source, state } = names(web, db);
  assert.deepEqual(source.lookup('sandbox:web', 'db'), ['10.0.1.3']);
  const moved = { ...endpoint(db, 'app'), addresses: [interfaceAddress(parseIpAddress('10.0.1.99'), 24)] };
  state.apply({ put: { endpoints: [moved] } });
  assert.deepEqual(source.lookup('sandbox:web', 'db'), moved.addresses.map(addressOf));
  state.apply({ remove: { endpoints: [moved.id] } });
  assert.equal(source.lookup('sandbox:web', 'db'), undefined);
});

test('who is on internal networks only asks nobody by way of the host, but its own servers', () => {
  const { names: source } = names({ ...web, on: ['Inner'], dns: ['9.9.9.9'] }, { ...db, on: ['Inner', 'app'] });
  assert.deepEqual(source.outside('sandbox:web').upstreams, [{ address: '9.9.9.9', from: 'sandbox' }]);
  assert.deepEqual(source.lookup('sandbox:web', 'db.inner'), ['10.0.3.3']);
});
