import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from './config.ts';

function withFile<T>(content: string, use: (path: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'fairway-config-'));
  const path = join(directory, 'daemon.json');
  try {
    writeFileSync(path, content);
    return use(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('without flags and file, the defaults are dockerd’s, on Fairway’s own socket', () => {
  const config = loadConfig({}, '/dev/null');
  assert.deepEqual(config.hosts, [{ kind: 'unix', path: '/run/fairway/fairway.sock' }]);
  assert.equal(config.network.mtu, 1500);
  assert.equal(config.network.icc, true);
  assert.equal(config.network.ip, '0.0.0.0');
  assert.equal(config.liveRestore, true);
});

test('daemon.json speaks dockerd’s keys', () => {
  const text =
    '{"mtu": 1400, "icc": false, "dns": ["192.0.2.53"], "default-address-pools": [{"base": "10.10.0.0/16", "size": 24}]}';
  const config = withFile(text, (path) => loadConfig({}, path));
  assert.equal(config.network.mtu, 1400);
  assert.equal(config.network.icc, false);
  assert.deepEqual(config.network.dns, ['192.0.2.53']);
  assert.deepEqual(config.network.defaultAddressPools, [{ base: '10.10.0.0/16', size: 24 }]);
});

test('an empty file says nothing', () => {
  assert.equal(withFile('', (path) => loadConfig({}, path)).network.mtu, 1500);
});

const REFUSED: readonly [string, string, Parameters<typeof loadConfig>[0], RegExp][] = [
  ['an unknown key', '{"frob": 1}', {}, /the following directives don't match any configuration option: frob/],
  [
    'a key that is a flag too',
    '{"mtu": 1400}',
    { mtu: '1450' },
    /specified both as a flag and in the configuration file: mtu: \(from flag: 1450, from file: 1400\)/,
  ],
  ['a wrong type', '{"icc": "maybe"}', {}, /the value of "icc" must be a boolean/],
  ['broken JSON', '{', {}, /unable to configure the Fairway daemon with file/],
  ['a bad address', '{}', { ip: 'nowhere' }, /invalid argument "nowhere" for "--ip" flag/],
  ['a bad MTU', '{}', { mtu: '12' }, /invalid argument "12" for "--mtu" flag/],
  [
    'both -b and --bip',
    '{}',
    { bip: '10.1.0.1/24', bridge: 'br0' },
    /You specified -b & --bip, mutually exclusive options/,
  ],
  ['open TCP', '{}', { hosts: ['tcp://127.0.0.1:2375'] }, /without TLS/],
  ['TLS without its files', '{}', { tlsVerify: 'true' }, /TLS needs --tlscacert/],
  [
    'a pool with host bits',
    '{}',
    { defaultAddressPools: ['base=10.1.2.3/16,size=24'] },
    /invalid subnet 10.1.2.3\/16: it should be 10.1.0.0\/16/,
  ],
  [
    'a pool larger than its base',
    '{}',
    { defaultAddressPools: ['base=10.0.0.0/24,size=16'] },
    /size 16 is not within 10.0.0.0\/24/,
  ],
  ['an address that is none', '{}', { hosts: ['ftp://x'] }, /invalid bind address: ftp:\/\/x/],
];

for (const [what, file, flags, message] of REFUSED) {
  test(`refused: ${what}`, () => {
    assert.throws(() => withFile(file, (path) => loadConfig(flags, path)), { kind: 'invalidArgument', message });
  });
}

test('a missing file that was asked for is an error', () => {
  assert.throws(() => loadConfig({}, '/nowhere/daemon.json'), /ENOENT/);
});

test('open TCP is possible for those who say they know', () => {
  const config = loadConfig({ hosts: ['tcp://127.0.0.1:2375'], dangerousTcp: 'true' }, '/dev/null');
  assert.deepEqual(config.hosts, [{ kind: 'tcp', host: '127.0.0.1', port: 2375 }]);
});
