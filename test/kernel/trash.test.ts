import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RouteSocket, TRASH_GROUP } from '../../src/kernel/rtnetlink.ts';
import { LinkBin } from '../../src/kernel/trash.ts';
import type { Logger } from '../../src/model/logger.ts';
import { linkOf, Namespaces } from './namespaces.ts';

/** Keeps what is warned of. */
class Warnings implements Logger {
  readonly texts: string[] = [];
  debug(): void {}
  info(): void {}
  warn(message: string): void {
    this.texts.push(message);
  }
  error(message: string): void {
    this.texts.push(message);
  }
}

function setUp(namespaces: Namespaces) {
  const namespace = namespaces.make('host');
  const sandbox = namespaces.make('sandbox');
  const socket = new RouteSocket(namespace);
  const batch = socket.batch().addBridge({ name: 'br0', group: 1, alias: '', up: true });
  for (const name of ['veth0', 'veth1', 'veth2']) {
    batch.addVeth({ name, group: 1, alias: '', up: true, peer: { name: `in-${name}`, namespace: sandbox } });
  }
  const [bridge, ...veths] = batch.send().map(({ index }) => index);
  assert.ok(bridge);
  const ports = socket.batch();
  for (const veth of veths) ports.setLink(veth, { master: bridge });
  ports.send();
  const logger = new Warnings();
  return { socket, sandbox, veths, logger, bin: new LinkBin({ namespace, logger }) };
}

test('a discarded link is out of service and without its name at once, and soon deleted with its peer', async () => {
  using namespaces = await Namespaces.begin();
  const { socket, sandbox, veths, logger, bin } = setUp(namespaces);
  using host = socket;
  using inside = new RouteSocket(sandbox);
  const [first = 0, second = 0] = veths;
  bin.discard(first, second);
  const { group, up, master } = linkOf(host, first);
  assert.deepEqual({ group, up, master }, { group: TRASH_GROUP, up: false, master: 0 });
  assert.equal(host.link('veth0'), undefined, 'the name is free');
  await bin.idle();
  assert.deepEqual(
    host.links().map(({ name }) => name),
    ['lo', 'br0', 'veth2'],
  );
  assert.deepEqual(
    inside.links().map(({ name }) => name),
    ['lo', 'in-veth2'],
  );
  await bin.close();
  assert.deepEqual(logger.texts, []);
});

test('links discarded while others are being deleted are deleted too', async () => {
  using namespaces = await Namespaces.begin();
  const { socket, veths, bin } = setUp(namespaces);
  using host = socket;
  for (const veth of veths) {
    bin.discard(veth);
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  await bin.close();
  assert.deepEqual(
    host.links().map(({ name }) => name),
    ['lo', 'br0'],
  );
});

test('a link that is gone already is fine', async () => {
  using namespaces = await Namespaces.begin();
  const { socket, veths, logger, bin } = setUp(namespaces);
  using host = socket;
  host.batch().deleteLink('veth0').send();
  bin.discard(...veths);
  await bin.close();
  assert.deepEqual(
    host.links().map(({ name }) => name),
    ['lo', 'br0'],
  );
  assert.deepEqual(logger.texts, []);
});

test('what a killed process left in the bin is deleted', async () => {
  using namespaces = await Namespaces.begin();
  const { socket, bin } = setUp(namespaces);
  using host = socket;
  host.batch().setLink('veth1', { group: TRASH_GROUP }).send();
  bin.discard();
  await bin.close();
  assert.equal(host.link('veth1'), undefined);
});

test('an empty bin is emptied without complaint, and a close with nothing to do ends', async () => {
  using namespaces = await Namespaces.begin();
  const { socket, logger, bin } = setUp(namespaces);
  using _ = socket;
  bin.discard();
  await bin.idle();
  await bin.close();
  assert.deepEqual(logger.texts, []);
});
