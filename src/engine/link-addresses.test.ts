import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInterfaceAddress, parseMacAddress } from '../model/address.ts';
import type { Attachment } from '../model/attachment.ts';
import { freePair } from './link-addresses.ts';

const holding = (...addresses: string[]): Attachment => ({
  id: 'f'.repeat(64),
  created: '',
  mtu: 1500,
  kind: 'host',
  target: { kind: 'bridge', bridge: 'br0' },
  ends: [
    {
      container: 'c',
      interfaceName: 'link0',
      mac: parseMacAddress('02:00:00:00:00:01'),
      addresses: addresses.map(parseInterfaceAddress),
      gateways: [],
    },
  ],
});

test('links without addresses get the lowest pair nobody has', () => {
  assert.deepEqual(freePair([]), [['169.254.192.0/31'], ['169.254.192.1/31']]);
  const taken = [holding('169.254.192.0/31'), holding('169.254.192.3/31', '10.0.0.1/8')];
  assert.deepEqual(freePair(taken), [['169.254.192.4/31'], ['169.254.192.5/31']]);
});
