import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress, parsePrefix } from '../model/address.ts';
import type { Network } from '../model/network.ts';
import { chooseGateway, gatewayOf } from './gateway.ts';

function candidate(name: string, gatewayPriority = 0, over: Partial<Network> = {}) {
  const pool = { subnet: parsePrefix('10.0.0.0/24'), gateway: parseIpAddress('10.0.0.1'), auxiliary: {} };
  const network: Network = {
    id: name,
    name,
    driver: 'bridge',
    created: '',
    internal: false,
    attachable: false,
    ipamOptions: {},
    pools: [pool],
    subnetRequested: false,
    driverOptions: {},
    options: {},
    labels: {},
    ...over,
  };
  return { network, gatewayPriority };
}

test('priority first, then the name; internal networks never', () => {
  const names = (...candidates: ReturnType<typeof candidate>[]) => chooseGateway(candidates)?.network.name;
  assert.equal(names(candidate('b'), candidate('a'), candidate('Z')), 'Z');
  assert.equal(names(candidate('a'), candidate('b', 1)), 'b');
  assert.equal(names(candidate('a', 9, { internal: true }), candidate('b', -5)), 'b');
  assert.equal(names(candidate('a', 0, { internal: true })), undefined);
  assert.equal(names(), undefined);
});

test('--default-gateway takes the place of the bridge’s address', () => {
  const [pool] = candidate('a').network.pools;
  assert.equal(gatewayOf(candidate('a').network), '10.0.0.1');
  const auxiliary = { DefaultGatewayIPv4: parseIpAddress('10.0.0.254') };
  const pools = pool === undefined ? [] : [{ ...pool, auxiliary }];
  assert.equal(gatewayOf(candidate('a', 0, { pools }).network), '10.0.0.254');
});
