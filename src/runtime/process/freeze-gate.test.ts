import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FreezeGate } from './freeze-gate.ts';

test('a freeze waits for what is being added, and what comes meanwhile waits for the freeze', async () => {
  const gate = new FreezeGate();
  const said: string[] = [];
  const slow = Promise.withResolvers<void>();
  const first = gate.add(async () => {
    await slow.promise;
    said.push('added');
  });
  const freeze = gate.freeze(async () => void said.push('frozen'));
  const second = gate.add(async () => void said.push('refused'));
  await Promise.resolve();
  assert.deepEqual(said, []);
  slow.resolve();
  await Promise.all([first, freeze, second]);
  assert.deepEqual(said, ['added', 'frozen', 'refused']);
});

test('what cannot be added or frozen holds nobody up', async () => {
  const gate = new FreezeGate();
  const fail = async () => {
    throw new Error('no');
  };
  const added = assert.rejects(gate.add(fail), /no/);
  await assert.rejects(gate.freeze(fail), /no/);
  await added;
  assert.equal(await gate.add(async () => 'yes'), 'yes');
});
