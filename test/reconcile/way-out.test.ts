import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WayOut } from '../../src/reconcile/way-out.ts';
import { eventually } from '../host.ts';
import { Fixture, networkOf, sandboxOf, wishesOf } from './fixture.ts';

test('how large packets may be on the way out, and on the narrowest of all ways, whatever comes and goes', async () => {
  await using fixture = await Fixture.create();
  fixture.sh(`ip link set lo up; ip link add eth0 mtu 1500 type bridge; ip addr add 192.0.2.2/24 dev eth0; ip link set eth0 up
    ip link add wide mtu 9000 type bridge; ip link set wide up; ip link add idle mtu 1300 type bridge`);
  let changes = 0;
  using way = new WayOut(fixture.home, () => changes++);
  const now = () => [way.mtu, way.narrowest];
  assert.deepEqual(now(), [undefined, 1500]);
  const steps: [change: string, after: (number | undefined)[]][] = [
    ['ip route add default via 192.0.2.1', [1500, 1500]],
    ['ip link set idle up', [1500, 1300]],
    ['ip link del idle', [1500, 1500]],
    ['ip link set wide mtu 1400', [1500, 1400]],
    ['ip route add 198.51.100.0/24 via 192.0.2.1 mtu 1350', [1500, 1350]],
    ['ip route del 198.51.100.0/24', [1500, 1400]],
    ['ip route change default via 192.0.2.1 mtu 1380', [1380, 1380]],
    ['ip link set eth0 down', [undefined, 1400]],
    ['ip link set wide mtu 9000; ip link set eth0 up; ip route add 0.0.0.0/1 via 192.0.2.1', [1500, 1500]],
  ];
  for (const [change, after] of steps) {
    fixture.sh(change);
    await eventually(`${change}: ${after.join(', ')}`, () => String(now()) === String(after));
  }
  const before = changes;
  const network = { ...networkOf(1), mtu: 1280 };
  await fixture.reconciler.commit(wishesOf({ network, sandbox: sandboxOf('a'), host: 2 }));
  fixture.sh('ip link set lo mtu 65535; ip link set wide mtu 8000; ip link set eth0 txqueuelen 7');
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual([...now(), changes - before], [1500, 1500, 0], 'what does not count is not told');
});
