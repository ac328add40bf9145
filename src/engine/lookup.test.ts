import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container } from '../model/container.ts';
import type { Network } from '../model/network.ts';
import { findContainer, findNetwork, tryFindNetwork } from './lookup.ts';
import { NetworkIndex } from './network-index.ts';

const byId = <T extends { id: string }>(...items: T[]) => new Map(items.map((item) => [item.id, item]));
const containers = byId(
  { id: 'aaa1', name: 'web' },
  { id: 'aaa2', name: 'aaa' },
  { id: 'bbb1', name: 'db' },
) as unknown as ReadonlyMap<string, Container>;
const networks = byId(
  { id: 'ccc1', name: 'bridge' },
  { id: 'ccc2', name: 'ccc1' },
  { id: 'ddd1', name: 'app' },
) as unknown as ReadonlyMap<string, Network>;
const index = new NetworkIndex(networks);
const state = { networks, networkNamed: (name: string) => index.named(name) };

test('a container by id, by name with or without slash, by prefix', () => {
  assert.equal(findContainer(containers, 'aaa1').name, 'web');
  assert.equal(findContainer(containers, 'web').id, 'aaa1');
  assert.equal(findContainer(containers, '/web').id, 'aaa1');
  assert.equal(findContainer(containers, 'bb').name, 'db');
});

test('a name wins over a prefix, an id over a name', () => {
  assert.equal(findContainer(containers, 'aaa').id, 'aaa2');
  assert.equal(findNetwork(state, 'ccc1').name, 'bridge');
});

test('Docker’s words for what is not there and what is several', () => {
  assert.throws(() => findContainer(containers, 'x'), { kind: 'notFound', message: 'No such container: x' });
  assert.throws(() => findContainer(containers, ''), { message: 'invalid name or ID supplied: ""' });
  const text = 'multiple IDs found with provided prefix: aa';
  assert.throws(() => findContainer(containers, 'aa'), { kind: 'invalidArgument', message: text });
  assert.throws(() => findNetwork(state, 'x'), { kind: 'notFound', message: 'network x not found' });
  assert.throws(() => findNetwork(state, 'cc'), /network cc is ambiguous \(2 matches found based on ID prefix\)/);
});

test('default is the bridge; an unknown network may come later', () => {
  assert.equal(findNetwork(state, 'default').name, 'bridge');
  assert.equal(tryFindNetwork(state, 'later'), undefined);
  assert.throws(() => tryFindNetwork(state, 'cc'), /ambiguous/);
});
