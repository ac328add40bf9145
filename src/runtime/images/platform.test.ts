import assert from 'node:assert/strict';
import { test } from 'node:test';
import { choosePlatform, hostArchitecture, parsePlatformName } from './platform.ts';

const entry = (name: string) => {
  const { os, architecture, variant } = parsePlatformName(name);
  const digest = `sha256:${name}`;
  return { mediaType: '', digest, size: 1, annotations: {}, platform: { os, architecture, variant } };
};
const choose = (wanted: string, ...names: readonly string[]) =>
  choosePlatform(names.map(entry), parsePlatformName(wanted)).digest.slice('sha256:'.length);

test('names of platforms', () => {
  assert.deepEqual(parsePlatformName('linux/arm/v7'), { os: 'linux', architecture: 'arm', variant: 'v7' });
  assert.deepEqual(parsePlatformName('Linux/x86_64'), { os: 'linux', architecture: 'amd64', variant: '' });
  assert.deepEqual(parsePlatformName('aarch64'), { os: 'linux', architecture: 'arm64', variant: '' });
  assert.deepEqual(parsePlatformName('linux'), { os: 'linux', architecture: hostArchitecture(), variant: '' });
  for (const name of ['a/b/c/d', 'linux/', '', 'linux/a b'])
    assert.throws(() => parsePlatformName(name), /invalid platform/);
});

test('the variant that is asked for, else the plain one, else the first', () => {
  assert.equal(choose('linux/amd64', 'linux/amd64/v3', 'linux/amd64', 'linux/arm64'), 'linux/amd64');
  assert.equal(choose('linux/arm64', 'linux/amd64', 'linux/arm64/v8'), 'linux/arm64/v8');
  assert.equal(choose('linux/arm', 'linux/arm/v6', 'linux/arm/v7'), 'linux/arm/v7');
  assert.equal(choose('linux/arm/v6', 'linux/arm/v6', 'linux/arm/v7'), 'linux/arm/v6');
  assert.equal(choose('linux/amd64', 'linux/amd64/v3'), 'linux/amd64/v3');
});

test('none fits', () => {
  const words = /no matching manifest for linux\/s390x in the manifest list entries/;
  assert.throws(() => choose('linux/s390x', 'linux/amd64', 'unknown/unknown'), words);
  assert.throws(() => choose('linux/arm/v5', 'linux/arm/v7'), /no matching manifest for linux\/arm\/v5/);
});
