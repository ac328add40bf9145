import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress } from '../model/address.ts';
import { socketAddress } from './socket.ts';

test('an IPv4 address becomes a sockaddr_in', () => {
  const bytes = socketAddress(parseIpAddress('192.0.2.1'), 8080);
  assert.equal(bytes.toString('hex'), '02001f90c00002010000000000000000');
});

test('an IPv6 address becomes a sockaddr_in6', () => {
  const bytes = socketAddress(parseIpAddress('fd00::1'), 53);
  assert.equal(bytes.toString('hex'), '0a00003500000000fd00000000000000000000000000000100000000');
});
