import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePlatformName } from '../../model/platform.ts';
import { choosePlatform } from './platform.ts';

const entry = (name: string) => {
  const { os, architecture, variant } = parsePlatformName(name);
  const digest = `sha256:${name}`;
  return { mediaType: '', digest, size: 1, annotations: {}, platform: { os, architecture, variant } };
};
const choose = (wanted: string, ...names: readonly string[]) =>
  choosePlatform(names.map(entry), parsePlatformName(wanted)).digest.slice('sha256:'.length);

test('the variant that is asked for or the next older one, else the plain one, else the first', () => {
  assert.equal(choose('linux/amd64', 'linux/amd64/v3', 'linux/amd64', 'linux/arm64'), 'linux/amd64');
  assert.equal(choose('linux/arm64', 'linux/amd64', 'linux/arm64/v8'), 'linux/arm64/v8');
  assert.equal(choose('linux/arm', 'linux/arm/v6', 'linux/arm/v7'), 'linux/arm/v7');
  assert.equal(choose('linux/arm/v6', 'linux/arm/v6', 'linux/arm/v7'), 'linux/arm/v6');
  assert.equal(choose('linux/amd64', 'linux/amd64/v3'), 'linux/amd64/v3');
  assert.equal(choose('linux/amd64/v2', 'linux/amd64/v3', 'linux/amd64'), 'linux/amd64');
  assert.equal(choose('linux/arm/v7', 'linux/arm/v5', 'linux/arm/v6', 'linux/arm64'), 'linux/arm/v6');
});

test('none fits', () => {
  const words = /no matching manifest for linux\/s390x in the manifest list entries/;
  assert.throws(() => choose('linux/s390x', 'linux/amd64', 'unknown/unknown'), words);
  assert.throws(() => choose('linux/arm/v5', 'linux/arm/v7'), /no matching manifest for linux\/arm\/v5/);
});
