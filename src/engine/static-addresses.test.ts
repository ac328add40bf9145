import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { plainNetwork } from '../../test/plain-network.ts';
import { PLAIN_SPEC } from '../../test/plain-spec.ts';
import { parseBridgeOptions } from '../drivers/bridge/options.ts';
import { Ipam } from '../ipam/ipam.ts';
import { addressOf, type IpAddress, parseIpAddress, parsePrefix } from '../model/address.ts';
import type { Container } from '../model/container.ts';
import { Store } from '../store/store.ts';
import type { Core } from './core.ts';
import { allocateEndpoint } from './endpoints.ts';
import { State } from './state.ts';

/** 10.0.0.2 to .14 are for containers. */
const NETWORK = plainNetwork<unknown>('app', parseBridgeOptions({}), {
  id: 'net-app',
  pools: [{ subnet: parsePrefix('10.0.0.0/28'), gateway: parseIpAddress('10.0.0.1'), auxiliary: {} }],
});

/** At most ten, of which some ask for an address: the lowest ones are asked for most, since people count from below. */
const wishes = fc.uniqueArray(fc.integer({ min: 2, max: 20 }), { minLength: 1, maxLength: 10 });
/** Containers by their place, in the order in which they are started and stopped: whoever runs is stopped. */
const turns = fc.array(fc.nat(9), { maxLength: 40 });

const addressFor = (number: number) => (number <= 14 ? parseIpAddress(`10.0.0.${number}`) : undefined);

function container(number: number, place: number): Container {
  const address = addressFor(number);
  const request = { network: 'app', aliases: [], driverOptions: {}, gatewayPriority: 0 };
  const endpoints = [{ ...request, ...(address === undefined ? {} : { address }) }];
  const spec = { ...PLAIN_SPEC, networkMode: { kind: 'network', name: 'app' } as const, endpoints };
  return { id: `c${place}`, name: `c${place}`, created: `${place}`, spec } as unknown as Container;
}

test('property: in whatever order containers come and go, whoever asked for an address gets it, and nobody else', () => {
  fc.assert(
    fc.property(wishes, turns, (numbers, order) => {
      const state = new State(Store.open(':memory:'));
      const containers = numbers.map(container);
      state.apply({ put: { networks: [NETWORK], containers } });
      const core = { state, ipam: new Ipam({ pools: [] }) } as unknown as Core;
      const running = new Map<string, IpAddress>();
      for (const place of order) {
        const one = containers[place % containers.length];
        const [request] = one?.spec.endpoints ?? [];
        if (one === undefined || request === undefined) continue;
        const up = [...state.endpoints.values()].filter((endpoint) => endpoint.container === one.id);
        state.apply({ remove: { endpoints: up.map(({ id }) => id) } });
        if (running.delete(one.id)) continue;
        const endpoint = allocateEndpoint(core, one, 'box', request, []);
        state.apply({ put: { endpoints: [endpoint] } });
        const [address] = endpoint.addresses.map(addressOf);
        assert.ok(address !== undefined);
        if (request.address !== undefined) assert.equal(address, request.address);
        else
          assert.ok(
            !containers.some(({ spec }) => spec.endpoints[0]?.address === address),
            'somebody else asked for it',
          );
        assert.ok(![...running.values()].includes(address));
        running.set(one.id, address);
      }
    }),
  );
});
