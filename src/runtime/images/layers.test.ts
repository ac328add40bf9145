import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainId, chainIds } from './layers.ts';

test('chain ids name every height of a stack', () => {
  const [a, b] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`];
  assert.deepEqual(chainIds([]), []);
  assert.equal(chainId([]), '');
  assert.deepEqual(chainIds([a]), [a]);
  // printf 'sha256:aaa… sha256:bbb…' | sha256sum
  const both = 'sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c';
  assert.deepEqual(chainIds([a, b]), [a, both]);
  assert.notEqual(chainId([b, a]), both);
});
