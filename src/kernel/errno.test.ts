import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errnoName } from './errno.ts';

test('numbers get the name errno.h gives first', () => {
  assert.equal(errnoName(17), 'EEXIST');
  assert.equal(errnoName(11), 'EAGAIN');
  assert.equal(errnoName(95), 'EOPNOTSUPP');
  assert.equal(errnoName(76), 'ENOTUNIQ');
});

test('a number without a name is still told', () => {
  assert.equal(errnoName(4711), 'E4711');
});
