import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPools, type PoolRequest } from './request.ts';

const INVALID: readonly [string, PoolRequest, string][] = [
  ['host bits', { subnet: '10.0.0.1/24', auxiliary: {} }, 'invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24'],
  ['no CIDR', { subnet: '10.0.0.0', auxiliary: {} }, 'invalid subnet 10.0.0.0: invalid CIDR block notation'],
  [
    'a length out of bounds',
    { subnet: '10.0.0.0/33', auxiliary: {} },
    'invalid subnet 10.0.0.0/33: invalid CIDR block notation',
  ],
  ['no subnet', { gateway: '10.0.0.1', auxiliary: {} }, 'invalid subnet : invalid CIDR block notation'],
  [
    'a range that is none',
    { subnet: '10.0.0.0/24', range: 'x', auxiliary: {} },
    'invalid ip-range x: invalid CIDR block notation',
  ],
  [
    'a range of the other family',
    { subnet: '10.0.0.0/24', range: 'fd00::/64', auxiliary: {} },
    'invalid ip-range fd00::/64: parent subnet is an IPv4 block',
  ],
  [
    'a range elsewhere',
    { subnet: '10.0.0.0/24', range: '10.0.1.0/25', auxiliary: {} },
    "invalid ip-range 10.0.1.0/25: parent subnet 10.0.0.0/24 doesn't contain ip-range",
  ],
  [
    'a range that is bigger',
    { subnet: '10.0.0.0/24', range: '10.0.0.0/23', auxiliary: {} },
    'invalid ip-range 10.0.0.0/23: CIDR block is bigger than its parent subnet 10.0.0.0/24',
  ],
  [
    'a range with host bits',
    { subnet: '10.0.0.0/24', range: '10.0.0.1/25', auxiliary: {} },
    'invalid ip-range 10.0.0.1/25: it should be 10.0.0.0/25',
  ],
  [
    'a gateway that is none',
    { subnet: '10.0.0.0/24', gateway: 'x', auxiliary: {} },
    'invalid gateway x: invalid address',
  ],
  [
    'a gateway elsewhere',
    { subnet: '10.0.0.0/24', gateway: '10.0.1.1', auxiliary: {} },
    "invalid gateway 10.0.1.1: parent subnet 10.0.0.0/24 doesn't contain this address",
  ],
  [
    'two mistakes',
    { subnet: '10.0.0.9/24', gateway: 'fd00::1', auxiliary: { a: '1.2.3.4' } },
    '* invalid subnet 10.0.0.9/24: it should be 10.0.0.0/24\n' +
      '* invalid gateway fd00::1: parent subnet is an IPv4 block\n' +
      "* invalid auxiliary address a: parent subnet 10.0.0.0/24 doesn't contain this address",
  ],
];

for (const [what, request, message] of INVALID) {
  test(`refused in Docker’s words: ${what}`, () => {
    assert.throws(() => checkPools([request], [4, 6]), {
      kind: 'invalidArgument',
      message: `invalid network config:\n${message}`,
    });
  });
}
