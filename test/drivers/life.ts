import assert from 'node:assert/strict';
import type { NetworkDriver } from '../../src/drivers/driver.ts';
import { describeHost } from '../../src/drivers/machine.ts';
import { describeSandbox } from '../../src/drivers/sandbox.ts';
import { parseIpAddress } from '../../src/model/address.ts';
import type { DriverOptions, PublishedPort } from '../../src/model/network.ts';
import type { Owner, Resource } from '../../src/model/resource.ts';
import { endpointOf, Fixture, gone, networkOf, sandboxOf, told } from '../reconcile/fixture.ts';

const PORT: PublishedPort = {
  protocol: 'tcp',
  containerPort: 80,
  hostAddress: parseIpAddress('0.0.0.0'),
  hostPort: 8080,
  count: 10,
};

/** What a driver describes, the real kernel takes; the next daemon finds it whole; and it goes without a trace. */
export async function livesAndGoes(driver: NetworkDriver, driverOptions: DriverOptions): Promise<void> {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  // What the host has anyway: a link for others to hang from.
  fixture.sh('ip link add eth0 type veth peer name far0; ip link set eth0 up; ip link set far0 up');
  const options = driver.parse(driverOptions);
  const network = { ...networkOf(5), driver: driver.name, driverOptions, options };
  const sandbox = sandboxOf('d', true);
  const endpoint = endpointOf({ network: networkOf(5), sandbox, host: 2, ports: [PORT] });
  const wishes = new Map<Owner, readonly Resource[]>([
    ['host', describeHost({ forwarding: [{ family: 4, guard: true }], clamp: false })],
    [`network:${network.id}`, driver.network(network)],
    [`sandbox:${sandbox.id}`, describeSandbox(sandbox)],
    [`endpoint:${endpoint.id}`, driver.endpoint(network, endpoint, sandbox)],
  ]);
  const before = fixture.sh('ip -o link | wc -l; ip route; ss -Htuln');
  await reconciler.commit(wishes);
  assert.deepEqual(told(reconciler.plan()), []);
  assert.deepEqual(
    told(await fixture.restart(wishes)).filter((step) => !step.startsWith('create listener')),
    [],
  );
  await fixture.reconciler.commit(gone(wishes));
  await fixture.reconciler.settled();
  assert.equal(fixture.sh('ip -o link | wc -l; ip route; ss -Htuln'), before);
  assert.deepEqual(told(fixture.reconciler.plan()), []);
}
