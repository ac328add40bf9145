import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesPrune, PruneGuard } from './prune.ts';

const candidate = { created: '2026-01-02T03:04:05.678901234Z', labels: { a: '1', b: '' } };
const matches = (filters: Partial<Parameters<typeof matchesPrune>[0]>) =>
  matchesPrune({ labels: [], labelsNot: [], ...filters }, candidate);

test('without filters everything matches', () => assert.ok(matches({})));

test('until leaves what is younger', () => {
  assert.ok(matches({ until: Date.parse('2026-01-03T00:00:00Z') }));
  assert.ok(!matches({ until: Date.parse('2026-01-01T00:00:00Z') }));
});

test('labels by key and by value, all of them', () => {
  assert.ok(matches({ labels: ['a', 'b'] }));
  assert.ok(matches({ labels: ['a=1', 'b='] }));
  assert.ok(!matches({ labels: ['a', 'c'] }));
  assert.ok(!matches({ labels: ['a=2'] }));
  assert.ok(!matches({ labels: ['toString'] }));
});

test('label! spares what has it', () => {
  assert.ok(!matches({ labelsNot: ['a'] }));
  assert.ok(matches({ labelsNot: ['c'] }));
  assert.ok(matches({ labelsNot: ['a=2'] }));
});

test('one prune at a time', async () => {
  const guard = new PruneGuard();
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = guard.run(() => promise);
  await assert.rejects(
    guard.run(async () => undefined),
    {
      kind: 'conflict',
      message: 'a prune operation is already running',
    },
  );
  resolve();
  await first;
  assert.equal(await guard.run(async () => 7), 7);
});
