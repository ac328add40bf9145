import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeSandbox } from '../../src/drivers/sandbox.ts';
import { SocketQueue } from '../../src/kernel/socket-queue.ts';
import type { NamespaceName } from '../../src/model/resource.ts';
import { eventually } from '../host.ts';
import { but, Fixture, gone, networkOf, sandboxOf, wishesOf } from './fixture.ts';

const web = { network: networkOf(1), sandbox: sandboxOf('a', true), host: 2 };

/** Ports on which sockets are bound in the sandbox, by protocol. */
function bound(fixture: Fixture): string {
  return fixture.inside(web.sandbox.namespace, 'ss -Htuln');
}

test('a sandbox that asks for it has a resolver at 127.0.0.11, and port 53 is still free for a server of its own', async () => {
  await using fixture = await Fixture.create();
  await fixture.reconciler.commit(wishesOf(web));
  assert.deepEqual(fixture.served, [web.sandbox.namespace]);
  assert.match(bound(fixture), /udp\s+UNCONN.*127\.0\.0\.11:\d+/);
  assert.match(bound(fixture), /tcp\s+LISTEN.*127\.0\.0\.11:\d+/);
  // Port 53 leads to the sockets: a connection is taken, where another port of the same address refuses.
  const connect = (port: number) => `timeout 30 bash -c ': </dev/tcp/127.0.0.11/${port}' 2>&1 && echo taken || true`;
  assert.match(fixture.inside(web.sandbox.namespace, connect(53)), /taken/);
  assert.match(fixture.inside(web.sandbox.namespace, connect(54)), /refused/);
  assert.match(fixture.inside(web.sandbox.namespace, 'timeout 0.2 nc -l 0.0.0.0 53 2>&1 || echo $?'), /^124$/);
});

test('the resolver comes when it is wished for and goes when it is not, while the sandbox stays', async () => {
  await using fixture = await Fixture.create();
  const plain = { ...web, sandbox: sandboxOf('a') };
  await fixture.reconciler.commit(wishesOf(plain));
  assert.equal(bound(fixture), '');
  await fixture.reconciler.commit(but(wishesOf(web), /^(network|endpoint)/));
  assert.match(bound(fixture), /127\.0\.0\.11/);
  await fixture.reconciler.commit(but(wishesOf(plain), /^(network|endpoint)/));
  assert.equal(bound(fixture), '');
  assert.deepEqual(fixture.served, []);
});

test('when the sandbox goes its resolver is told to close', async () => {
  await using fixture = await Fixture.create();
  const wishes = wishesOf(web);
  await fixture.reconciler.commit(wishes);
  await fixture.reconciler.commit(gone(wishes));
  assert.deepEqual(fixture.served, []);
});

test('the next daemon goes on with the resolver’s sockets, unless their namespace is another', async () => {
  await using fixture = await Fixture.create();
  using queue = SocketQueue.create();
  fixture.keeper = { takeOut: () => queue.takeOut(), hold: (sockets) => queue.replace(sockets) };
  const both = wishesOf(web, { network: networkOf(1), sandbox: sandboxOf('b', true), host: 3 });
  await fixture.restart(both);
  const before = bound(fixture);
  await fixture.reconciler.close();
  assert.equal(bound(fixture), before, 'they are open without a daemon');
  const next = async () => {
    fixture.reconciler = fixture.open();
    await fixture.reconciler.restore(wishesOf(web));
  };
  await next();
  assert.equal(bound(fixture), before);
  assert.deepEqual([...queue.takeOut().keys()], [web.sandbox.namespace], 'of a sandbox that is gone nothing is kept');
  await fixture.restart(wishesOf(web));
  await fixture.reconciler.close();
  fixture.sh(`umount ${fixture.reconciler.sandboxPath(web.sandbox.namespace)}`);
  await next();
  assert.match(bound(fixture), /udp\s+UNCONN.*127\.0\.0\.11:\d+/);
  await fixture.reconciler.commit(gone(wishesOf(web), /^network/));
  assert.deepEqual([...queue.takeOut().keys()], [], 'with the sandbox its sockets go');
});

test('a former daemon’s sockets answer before anything is looked at, and what leads to them is put right', async () => {
  using queue = SocketQueue.create();
  await using fixture = await Fixture.create();
  fixture.keeper = { takeOut: () => queue.takeOut(), hold: (sockets) => queue.replace(sockets) };
  const own = { network: networkOf(1), sandbox: sandboxOf('b', true), host: 3 };
  const replaced = { network: networkOf(1), sandbox: sandboxOf('c', true), host: 4 };
  const all = [web, own, replaced];
  fixture.selfMade.add(own.sandbox.namespace);
  await fixture.restart(wishesOf(...all));
  await fixture.reconciler.close();
  const ask = (namespace: NamespaceName, port: number) =>
    fixture.inside(namespace, `timeout 30 bash -c ': </dev/tcp/127.0.0.11/${port}' 2>&1 && echo taken || true`);
  for (const { sandbox } of [web, own]) fixture.inside(sandbox.namespace, 'nft delete table ip fairway-resolver');
  fixture.sh(`umount ${fixture.reconciler.sandboxPath(replaced.sandbox.namespace)}`);
  fixture.reconciler = fixture.open();
  const resources = all.flatMap(({ sandbox }) => describeSandbox(sandbox));
  fixture.reconciler.resume(resources.filter((one) => one.kind === 'listener' && one.purpose === 'resolver'));
  const first = [web, own].map(({ sandbox }) => sandbox.namespace);
  assert.deepEqual(fixture.served, first);
  assert.match(ask(web.sandbox.namespace, 53), /refused/);
  await fixture.reconciler.restore(wishesOf(...all));
  assert.deepEqual(fixture.served, [...first, replaced.sandbox.namespace], 'on the same sockets, and on new ones');
  assert.match(ask(own.sandbox.namespace, 53), /taken/, 'nobody looks there later');
  assert.match(ask(replaced.sandbox.namespace, 53), /taken/);
  await eventually('it is looked at later', () => /taken/.test(ask(web.sandbox.namespace, 53)));
  assert.deepEqual([...queue.takeOut().keys()].sort(), all.map(({ sandbox }) => sandbox.namespace).sort());
});

test('published ports are really held, all of a range, and free again afterwards', async () => {
  await using fixture = await Fixture.create();
  const range = { protocol: 'udp', containerPort: 5000, hostAddress: '0.0.0.0', hostPort: 5000, count: 500 } as const;
  const wishes = wishesOf({ ...web, ports: [range as never] });
  await fixture.reconciler.commit(wishes);
  assert.equal(fixture.sh('ss -Huln | wc -l'), '500');
  await fixture.reconciler.commit(gone(wishes));
  assert.equal(fixture.sh('ss -Huln | wc -l'), '0');
});

test('an address the host does not have is refused in Docker’s words', async () => {
  await using fixture = await Fixture.create();
  const port = { protocol: 'tcp', containerPort: 80, hostAddress: '198.51.100.7', hostPort: 8080, count: 1 } as const;
  await assert.rejects(
    fixture.reconciler.commit(wishesOf({ ...web, ports: [port as never] })),
    /failed to bind host port for 198\.51\.100\.7:8080:10\.1\.0\.2:80\/tcp: cannot assign requested address$/,
  );
});
