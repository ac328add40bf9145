import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PLAIN_SPEC } from '../../test/plain-spec.ts';
import { Ipam } from '../ipam/ipam.ts';
import { addressOf, type IpAddress, interfaceAddress, parseIpAddress, parsePrefix } from '../model/address.ts';
import type { Container } from '../model/container.ts';
import type { Endpoint } from '../model/network.ts';
import { Store } from '../store/store.ts';
import { AddressBook } from './address-book.ts';
import { State } from './state.ts';

const ADDRESSES = ['10.0.0.2', '10.0.0.3', 'fd00::2'].map(parseIpAddress);
const NETWORKS = ['a', 'b'];

const some = fc.subarray(ADDRESSES);
const endpoints = fc.record({ id: fc.nat(3).map(String), network: fc.constantFrom(...NETWORKS), some });
const containers = fc.record({ id: fc.nat(3).map(String), some });
const changes = fc.record({
  endpoints: fc.uniqueArray(endpoints, { maxLength: 2, selector: ({ id }) => id }),
  containers: fc.uniqueArray(containers, { maxLength: 2, selector: ({ id }) => id }),
  gone: fc.uniqueArray(fc.nat(3).map(String), { maxLength: 3 }),
  isUndone: fc.boolean(),
});

function endpointOf({ id, network, some }: { id: string; network: string; some: typeof ADDRESSES }): Endpoint {
  const addresses = some.map((address) => interfaceAddress(address, address.includes(':') ? 64 : 24));
  const names = { sandbox: id, container: id, interfaceName: 'eth0' };
  return { id, network, ...names, addresses, gateways: [], ports: [] };
}

function containerOf({ id, some }: { id: string; some: typeof ADDRESSES }): Container {
  const asked = some.map((address) => (address.includes(':') ? { address6: address } : { address }));
  const requests = asked.map((one) => ({ network: 'a', aliases: [], driverOptions: {}, gatewayPriority: 0, ...one }));
  const spec = { ...PLAIN_SPEC, endpoints: requests };
  return { id, name: id, created: id, spec } as unknown as Container;
}

function written(book: AddressBook) {
  return {
    held: NETWORKS.map((network) => [...book.on(network)].map(([address, { id }]) => `${address} ${id}`).sort()),
    claimed: ADDRESSES.map((address) => [...book.claimants(address)].sort()),
  };
}

/** Who has an address of a network, by what the engine gave: never two. */
function areHeldOnce(rows: Iterable<Endpoint>): boolean {
  const held = Array.from(rows).flatMap(({ network, addresses }) => addresses.map((one) => `${network} ${one}`));
  return new Set(held).size === held.length;
}

test('property: whatever is put, removed and taken back, the book says what a new one would', () => {
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 12 }), (all) => {
      using store = Store.open(':memory:');
      const state = new State(store);
      for (const { endpoints: up, containers: made, gone, isUndone } of all) {
        const rows = up.map(endpointOf);
        const kept = [...state.endpoints.values()].filter(
          ({ id }) => !gone.includes(id) && !up.some((one) => one.id === id),
        );
        if (!areHeldOnce([...kept, ...rows])) continue;
        const put = { endpoints: rows, containers: made.map(containerOf) };
        const undo = state.apply({ put, remove: { endpoints: gone, containers: gone } });
        if (isUndone) undo();
      }
      const fresh = new AddressBook();
      for (const endpoint of state.endpoints.values()) fresh.noteEndpoint(undefined, endpoint);
      for (const container of state.containers.values()) fresh.noteContainer(undefined, container);
      assert.deepEqual(written(state.addresses), written(fresh));
    }),
  );
});

test('property: whoever passes over a known run finds the lowest free address, whatever is given back or claimed in between', () => {
  const pool = { subnet: parsePrefix('10.0.0.240/28'), gateway: parseIpAddress('10.0.0.241'), auxiliary: {} };
  const network = { id: 'a', name: 'a', pools: [pool] };
  const steps = fc.array(fc.oneof(fc.constant('give'), fc.nat(5)), { minLength: 10, maxLength: 60 });
  fc.assert(
    fc.property(steps, (all) => {
      const book = new AddressBook();
      const ipam = new Ipam({ pools: [] });
      const claimed = new Set<IpAddress>();
      const given: Endpoint[] = [];
      for (const [i, step] of all.entries()) {
        if (step === 'give') {
          const held = book.on('a');
          const has = (address: IpAddress) => held.has(address) || claimed.has(address);
          const holders = { has, get: (address: IpAddress) => (has(address) ? 'x' : undefined) };
          if (given.length + claimed.size > 11) continue;
          const addresses = ipam.allocateAddresses(network, { ...holders, run: held });
          assert.deepEqual(addresses, ipam.allocateAddresses(network, holders));
          const endpoint = { ...endpointOf({ id: `${i}`, network: 'a', some: [] }), addresses };
          book.noteEndpoint(undefined, endpoint);
          given.push(endpoint);
        } else if (step % 2 === 0) {
          book.noteEndpoint(given.splice(step, 1)[0], undefined);
        } else {
          const address = parseIpAddress(`10.0.0.${242 + step}`);
          if (!claimed.delete(address) && !given.some(({ addresses: [own] }) => own && addressOf(own) === address)) {
            claimed.add(address);
          }
        }
      }
    }),
    { numRuns: 300 },
  );
});
