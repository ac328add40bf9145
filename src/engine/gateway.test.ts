import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainNetwork } from '../../test/plain-network.ts';
import { parseBridgeOptions } from '../drivers/bridge/options.ts';
import { parseIpAddress, parsePrefix } from '../model/address.ts';
import type { Network } from '../model/network.ts';
import { chooseGateway, gatewayOf } from './gateway.ts';

function candidate(name: string, gatewayPriority = 0, over: Partial<Network> = {}) {
  const pool = { subnet: parsePrefix('10.0.0.0/24'), gateway: parseIpAddress('10.0.0.1'), auxiliary: {} };
  const network = plainNetwork<unknown>(name, parseBridgeOptions({}), { pools: [pool], ...over });
  return { network, gatewayPriority };
}

const POOL6 = { subnet: parsePrefix('fd00::/64'), gateway: parseIpAddress('fd00::1'), auxiliary: {} };

test('priority first, then both families, then the name; internal networks never', () => {
  const names = (...candidates: ReturnType<typeof candidate>[]) => chooseGateway(candidates, 4)?.network.name;
  assert.equal(names(candidate('b'), candidate('a'), candidate('Z')), 'Z');
  assert.equal(names(candidate('a'), candidate('b', 1)), 'b');
  assert.equal(names(candidate('a', 9, { internal: true }), candidate('b', -5)), 'b');
  assert.equal(names(candidate('a', 0, { internal: true })), undefined);
  assert.equal(names(), undefined);
  const dual = candidate('z', 0, { pools: [...candidate('z').network.pools, POOL6] });
  assert.equal(names(candidate('a'), dual), 'z');
  assert.equal(names(candidate('a', 1), dual), 'a');
});

test('each family has its own gateway', () => {
  const six = candidate('six', 0, { pools: [POOL6] });
  assert.equal(chooseGateway([six, candidate('four')], 4)?.network.name, 'four');
  assert.equal(chooseGateway([six, candidate('four', 9)], 6)?.network.name, 'six');
});

test('--default-gateway takes the place of the bridge’s address', () => {
  const [pool] = candidate('a').network.pools;
  assert.equal(gatewayOf(candidate('a').network, 4), '10.0.0.1');
  assert.equal(gatewayOf(candidate('a').network, 6), undefined);
  const auxiliary = { DefaultGatewayIPv4: parseIpAddress('10.0.0.254') };
  const pools = pool === undefined ? [] : [{ ...pool, auxiliary }];
  assert.equal(gatewayOf(candidate('a', 0, { pools }).network, 4), '10.0.0.254');
});
