import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IdleMemory } from './idle-memory.ts';

const MIB = 1 << 20;

test('rubbish is collected when nothing is to be done, and when there is enough of it, and what is left once more', () => {
  let [processor, used, collected] = [0, 40 * MIB, 0];
  const memory = new IdleMemory(
    () => ({ processor, used }),
    () => {
      processor += 150;
      used = 20 * MIB;
      collected++;
    },
  );
  const after = (milliseconds: number, bytes: number) => {
    [processor, used] = [processor + milliseconds, used + bytes];
    memory.look();
    return collected;
  };
  assert.equal(after(0, 0), 0, 'at its start nobody knows whether it is idle');
  assert.equal(after(4000, 10 * MIB), 0, 'it works');
  assert.equal(after(10, 0), 1, 'it is idle');
  assert.equal(after(10, MIB), 2, 'once more');
  assert.equal(after(10, MIB), 2, 'too little');
  assert.equal(after(500, 10 * MIB), 2, 'it works again');
  assert.equal(after(10, 0), 3);
});
