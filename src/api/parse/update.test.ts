import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseApiVersion } from '../version.ts';
import { parseUpdate } from './update.ts';

test('a limit on processes is for clients that know it: 1.40 and newer', () => {
  const resources = (version: string) =>
    parseUpdate({ PidsLimit: 16, CpuShares: 512 }, parseApiVersion(version)).resources;
  assert.deepEqual(resources('1.39'), { cpuShares: 512 });
  assert.deepEqual(resources('1.40'), { cpuShares: 512, pidsLimit: 16 });
});
