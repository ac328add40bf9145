import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fitsPlatform, hostArchitecture, isPlatform, parsePlatformName } from './platform.ts';

test('names of platforms', () => {
  assert.deepEqual(parsePlatformName('linux/arm/v7'), { os: 'linux', architecture: 'arm', variant: 'v7' });
  assert.deepEqual(parsePlatformName('Linux/x86_64'), { os: 'linux', architecture: 'amd64', variant: '' });
  assert.deepEqual(parsePlatformName('aarch64'), { os: 'linux', architecture: 'arm64', variant: '' });
  assert.deepEqual(parsePlatformName('linux'), { os: 'linux', architecture: hostArchitecture(), variant: '' });
  assert.deepEqual(parsePlatformName('macos/arm64'), { os: 'darwin', architecture: 'arm64', variant: '' });
  assert.throws(() => parsePlatformName('a/b/c/d'), /"a\/b\/c\/d": cannot parse platform specifier/);
  for (const name of ['', ' ', '/', '/amd64'])
    assert.throws(() => parsePlatformName(name), /is an invalid OS component/);
  for (const name of ['linux/', 'linux/a b']) assert.throws(() => parsePlatformName(name), /is an invalid component/);
  assert.throws(() => parsePlatformName('foobar'), /"foobar": unknown operating system or architecture/);
});

test('a variant is compared when it was asked for, and means the usual one when none is told', () => {
  const compare = (test: typeof isPlatform) => (made: string, asked: string) =>
    test(parsePlatformName(made), parsePlatformName(asked));
  const [is, fits] = [compare(isPlatform), compare(fitsPlatform)];
  for (const test of [is, fits]) {
    assert.ok(
      test('linux/arm64/v8', 'linux/arm64') && test('linux/arm64', 'linux/arm64/v8') && test('linux/arm', 'armhf'),
    );
    assert.ok(test('linux/amd64', 'linux/amd64/v1') && !test('linux/arm/v7', 'linux/arm/v6'));
    assert.ok(!test('linux/amd64', 'linux/arm64') && !test('windows/amd64', 'amd64'));
  }
  assert.deepEqual([is('linux/arm/v6', 'linux/arm/v7'), fits('linux/arm/v6', 'linux/arm/v7')], [false, true]);
  assert.deepEqual([is('linux/amd64', 'linux/amd64/v2'), fits('linux/amd64', 'linux/amd64/v2')], [false, true]);
});
