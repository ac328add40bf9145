import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedMutex } from './locks.ts';

test('one key in order, others side by side, and a failure holds nobody up', async () => {
  const mutex = new KeyedMutex();
  const seen: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = mutex.run('a', async () => {
    await promise;
    seen.push('slow');
    throw new Error('gone wrong');
  });
  const second = mutex.run('a', async () => seen.push('second'));
  const third = mutex.run('a', async () => seen.push('third'));
  await mutex.run('b', async () => seen.push('other'));
  resolve();
  await assert.rejects(slow, /gone wrong/);
  await Promise.all([second, third]);
  assert.deepEqual(seen, ['other', 'slow', 'second', 'third']);
  assert.equal(await mutex.run('a', async () => 1), 1);
});
