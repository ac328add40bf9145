import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sandbox } from '../model/network.ts';
import { Store } from '../store/store.ts';
import { State } from './state.ts';

const sandbox = (id: string, resolver = false): Sandbox => ({ id, namespace: `sandbox:${id}`, resolver });
const ids = (state: State) => [...state.sandboxes.values()].map(({ id, resolver }) => `${id}${resolver ? '+' : ''}`);

test('a change can be taken back, and only that change', () => {
  using store = Store.open(':memory:');
  const state = new State(store);
  state.apply({ put: { sandboxes: [sandbox('a'), sandbox('b')] } });
  const before = state.version;
  const undo = state.apply({ put: { sandboxes: [sandbox('a', true), sandbox('c')] }, remove: { sandboxes: ['b'] } });
  assert.ok(state.version > before);
  assert.deepEqual(ids(state), ['a+', 'c']);
  state.apply({ put: { sandboxes: [sandbox('d')] } });
  undo();
  assert.deepEqual(ids(state).sort(), ['a', 'b', 'd']);
  assert.deepEqual(
    store
      .rows('sandboxes')
      .map(({ id }) => id)
      .sort(),
    ['a', 'b', 'd'],
  );
});

test('what the store refuses changes nothing in memory', () => {
  using store = Store.open(':memory:');
  const state = new State(store);
  const cyclic: Record<string, unknown> = { id: 'x' };
  cyclic['self'] = cyclic;
  assert.throws(() => state.apply({ put: { sandboxes: [sandbox('a'), cyclic as unknown as Sandbox] } }));
  assert.deepEqual(ids(state), []);
});
