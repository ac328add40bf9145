import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drivers } from '../../src/drivers/index.ts';
import { describeHost } from '../../src/drivers/machine.ts';
import { describeSandbox } from '../../src/drivers/sandbox.ts';
import type { Owner, Resource } from '../../src/model/resource.ts';
import { endpointOf, Fixture, gone, networkOf, sandboxOf, told } from '../reconcile/fixture.ts';

/** What every driver describes, the real kernel takes; and gives back without a trace. */
for (const [name, driver] of drivers) {
  test(`what driver ${name} describes can be made, is whole, and goes again`, async () => {
    await using fixture = await Fixture.create();
    const { reconciler } = fixture;
    const network = { ...networkOf(5), driver: name, driverOptions: {}, options: driver.parse({}) };
    const sandbox = sandboxOf('d', true);
    const port = { protocol: 'tcp', containerPort: 80, hostAddress: '0.0.0.0', hostPort: 8080, count: 10 } as const;
    const endpoint = endpointOf({ network: networkOf(5), sandbox, host: 2, ports: [port as never] });
    const wishes = new Map<Owner, readonly Resource[]>([
      ['host', describeHost({ forwardingGuard: true })],
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
  });
}
