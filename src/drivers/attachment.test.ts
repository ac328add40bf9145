import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseInterfaceAddress, parseIpAddress, parseMacAddress } from '../model/address.ts';
import type { AttachedEnd, HostAttachment, PairAttachment } from '../model/attachment.ts';
import type { Sandbox } from '../model/network.ts';
import { describeAttachment } from './attachment.ts';

const sandbox = (digit: string): Sandbox => {
  return { id: digit.repeat(64), namespace: `sandbox:${digit.repeat(12)}`, resolver: false };
};
const [near, far] = [sandbox('a'), sandbox('b')];

const end = (container: string, addresses: readonly string[], gateways: readonly string[] = []): AttachedEnd => ({
  container,
  interfaceName: 'link0',
  mac: parseMacAddress('02:00:00:00:00:01'),
  addresses: addresses.map(parseInterfaceAddress),
  gateways: gateways.map(parseIpAddress),
});

const pair = (a: readonly string[], b: readonly string[]): PairAttachment => {
  return { id: 'f'.repeat(64), created: '', mtu: 1500, kind: 'pair', ends: [end('one', a), end('two', b)] };
};

const host = (target: HostAttachment['target'], one: AttachedEnd): HostAttachment => {
  return { id: 'f'.repeat(64), created: '', mtu: 1400, kind: 'host', ends: [one], target };
};

const routes = (resources: readonly { kind: string }[]) =>
  resources.flatMap((resource) => ('destination' in resource ? [resource.destination] : []));

test('a pair of containers has a veth with an end in each, and a route to the other’s single address', () => {
  const resources = describeAttachment(pair(['10.1.1.1/32'], ['10.1.1.2/32']), [near, far]);
  const link = { namespace: near.namespace, link: 'link0' };
  const other = { namespace: far.namespace, link: 'link0' };
  const mac = '02:00:00:00:00:01';
  assert.deepEqual(resources, [
    {
      kind: 'link',
      type: 'veth',
      namespace: near.namespace,
      name: 'link0',
      mtu: 1500,
      mac,
      up: true,
      master: '',
      isolated: false,
      peer: { namespace: far.namespace, name: 'link0', mac, mtu: 1500 },
    },
    { kind: 'address', ...link, address: '10.1.1.1/32', adopt: false },
    { kind: 'address', ...other, address: '10.1.1.2/32', adopt: false },
    { kind: 'route', ...link, destination: '10.1.1.2/32' },
    { kind: 'route', ...other, destination: '10.1.1.1/32' },
  ]);
});

test('addresses of one subnet need no route; a family the other end lacks gets none', () => {
  assert.deepEqual(routes(describeAttachment(pair(['10.1.1.1/24'], ['10.1.1.2/24']), [near, far])), []);
  const mixed = pair(['10.1.1.1/24'], ['10.1.1.2/24', 'fd00::2/128']);
  assert.deepEqual(routes(describeAttachment(mixed, [near, far])), []);
});

test('while one of the two does not run, there is nothing', () => {
  const attachment = pair(['10.1.1.1/32'], ['10.1.1.2/32']);
  assert.deepEqual(describeAttachment(attachment, [near, undefined]), []);
  assert.deepEqual(describeAttachment(attachment, [undefined, far]), []);
});

test('on a bridge, a port of it; a gateway beyond the own subnet is said to be on the link first', () => {
  const one = end('one', ['10.9.0.5/32'], ['10.9.0.1']);
  const resources = describeAttachment(host({ kind: 'bridge', bridge: 'br9' }, one), [near]);
  const [link] = resources;
  assert.ok(link?.kind === 'link' && link.type === 'veth');
  assert.deepEqual([link.name, link.master, link.mtu], ['vattfffffff', 'br9', 1400]);
  assert.deepEqual(routes(resources), ['10.9.0.1/32', '0.0.0.0/0']);
});

test('on a card, a macvlan that hangs from it; IPv6 is switched on where there is an address of it', () => {
  const one = end('one', ['192.0.2.9/24', '2001:db8::9/64'], ['192.0.2.1', '2001:db8::1']);
  const resources = describeAttachment(host({ kind: 'parent', parent: 'eth0' }, one), [near]);
  assert.deepEqual(
    resources.map(({ kind }) => kind),
    ['parent', 'link', 'sysctl', 'address', 'address', 'route', 'route'],
  );
  assert.deepEqual(routes(resources), ['0.0.0.0/0', '::/0']);
});
