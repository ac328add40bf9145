import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join, matchesGlob } from 'node:path';
import { test } from 'node:test';
import { bridge } from '../src/drivers/bridge/bridge.ts';
import { parseInterfaceAddress, parseMacAddress, parsePrefix } from '../src/model/address.ts';
import type { Sandbox } from '../src/model/network.ts';
import { plainNetwork } from './plain-network.ts';

const PACKAGING = join(import.meta.dirname, '..', 'packaging');
const id = '0123456789ab'.padEnd(64, 'f');

/** The links of the host that a network and an endpoint of it make. */
function hostLinks(): string[] {
  const network = plainNetwork('app', bridge.parse({}), {
    id,
    pools: [{ subnet: parsePrefix('10.0.0.0/24'), auxiliary: {} }],
  });
  const sandbox: Sandbox = { id, namespace: `sandbox:${id}`, resolver: false };
  const endpoint = {
    ...{ id, network: id, sandbox: id, container: id, interfaceName: 'eth0', gateways: [], ports: [] },
    mac: parseMacAddress('02:00:00:00:00:01'),
    addresses: [parseInterfaceAddress('10.0.0.2/24')],
  };
  const resources = [...bridge.network(network), ...bridge.endpoint(network, endpoint, sandbox)];
  return resources.flatMap((resource) =>
    resource.kind === 'link' && resource.namespace === 'host' ? [resource.name] : [],
  );
}

for (const [program, file, pattern] of [
  ['systemd-networkd', 'networkd/10-fairway.network', /^Name=(.*)$/m],
  ['NetworkManager', 'NetworkManager/10-fairway.conf', /^match-device=(.*)$/m],
] as const) {
  test(`${program} is told to leave every link alone that a network makes, and no card of the host’s`, () => {
    const [, list = ''] = pattern.exec(readFileSync(join(PACKAGING, file), 'utf8')) ?? [];
    const globs = list.split(/[ ,]/).map((glob) => glob.replace('interface-name:', ''));
    const left = (name: string) => globs.some((glob) => matchesGlob(name, glob));
    const names = [...hostLinks(), 'docker0'];
    assert.equal(names.length, 3);
    assert.deepEqual(
      names.filter((name) => !left(name)),
      [],
    );
    assert.deepEqual(['eth0', 'wlan0', 'br0', 'br-lan', 'enp0s3', 'wg0'].filter(left), []);
  });
}
