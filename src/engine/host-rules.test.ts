import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress, parsePrefix } from '../model/address.ts';
import type { Resource } from '../model/resource.ts';
import { underFlags } from './host-rules.ts';

const publish = (hostAddress: string, address: string, port = 80, count = 1): Resource => ({
  kind: 'firewall',
  meaning: 'publish',
  protocol: 'tcp',
  hostAddress: parseIpAddress(hostAddress),
  hostPort: 8080,
  count,
  address: parseIpAddress(address),
  port,
  bridge: 'br0',
});
const masquerade = (subnet: string): Resource => ({
  kind: 'firewall',
  meaning: 'masquerade',
  bridge: 'br0',
  subnet: parsePrefix(subnet),
});
const sysctl = (path: string, value = '1'): Resource => ({ kind: 'sysctl', namespace: 'host', path, value });

const FOUR = [masquerade('10.0.0.0/24'), publish('0.0.0.0', '10.0.0.2'), publish('127.0.0.1', '10.0.0.2')];
const DOOR = 'net/ipv4/conf/br0/route_localnet';
const SIX = [masquerade('fd00::/64'), publish('::', 'fd00::2')];
const REST = [sysctl('net/ipv6/conf/br0/accept_ra')];
const ALL = [...FOUR, ...SIX, ...REST, sysctl(DOOR)];

test('without flags everything is as the drivers describe it', () => {
  const flags = { firewall: { ipv4: true, ipv6: true }, allowDirectRouting: false };
  assert.equal(underFlags(ALL, flags), ALL);
});

test('without rules of a family, nothing rests on them: 127.0.0.1 stays inside, too', () => {
  const under = (ipv4: boolean, ipv6: boolean) =>
    underFlags(ALL, { firewall: { ipv4, ipv6 }, allowDirectRouting: false });
  assert.deepEqual(under(false, true), [...SIX, ...REST, sysctl(DOOR, '0')]);
  assert.deepEqual(under(true, false), [...FOUR, ...REST, sysctl(DOOR)]);
  assert.deepEqual(under(false, false), [...REST, sysctl(DOOR, '0')]);
});

test('without rules, the daemon passes on what comes to published ports, but for SCTP', () => {
  const held = (address: string, protocol: 'tcp' | 'udp' | 'sctp' = 'tcp', more: object = {}) =>
    ({
      kind: 'listener',
      purpose: 'reservation',
      namespace: 'host',
      protocol,
      address: parseIpAddress(address),
      port: 8080,
      count: 1,
      ...more,
    }) as Resource;
  const own = { dualStack: true, relay: { address: parseIpAddress('10.0.0.9'), port: 1 } };
  const sctp = { ...publish('192.0.2.2', '10.0.0.2'), protocol: 'sctp' } as Resource;
  const sockets = [held('0.0.0.0'), held('127.0.0.1'), held('0.0.0.0', 'udp'), held('::', 'tcp', own)];
  const all = [...FOUR, sctp, ...sockets, held('192.0.2.2', 'sctp')];
  const found = underFlags(all, { firewall: { ipv4: false, ipv6: true }, allowDirectRouting: false });
  const relay = { relay: { address: parseIpAddress('10.0.0.2'), port: 80 } };
  assert.deepEqual(found, [
    held('0.0.0.0', 'tcp', relay),
    held('127.0.0.1', 'tcp', relay),
    ...sockets.slice(2),
    held('192.0.2.2', 'sctp'),
  ]);
});

test('direct routing opens each published port at the container’s address', () => {
  const found = underFlags(ALL, { firewall: { ipv4: true, ipv6: false }, allowDirectRouting: true });
  assert.deepEqual(found.slice(FOUR.length + REST.length + 1), [
    {
      kind: 'firewall',
      meaning: 'open',
      protocol: 'tcp',
      address: '10.0.0.2',
      port: 80,
      count: 1,
      bridge: 'br0',
    },
  ]);
});

test('direct routing: ranges that overlap at the container are opened as one', () => {
  const published = [publish('0.0.0.0', '10.0.0.2', 80, 10), publish('192.0.2.2', '10.0.0.2', 85, 20)];
  const others = [publish('0.0.0.0', '10.0.0.3', 85, 20), publish('0.0.0.0', '10.0.0.2', 200)];
  const found = underFlags([...published, ...others], {
    firewall: { ipv4: true, ipv6: true },
    allowDirectRouting: true,
  });
  assert.deepEqual(
    found.slice(4).map((rule) => 'count' in rule && 'address' in rule && [rule.address, rule.port, rule.count]),
    [
      ['10.0.0.2', 80, 25],
      ['10.0.0.2', 200, 1],
      ['10.0.0.3', 85, 20],
    ],
  );
});
