import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommandLine } from './command-line.ts';

const parse = (...args: string[]) => parseCommandLine(args, '1.2.3', 'dockerd');

test('flags as dockerd’s parser takes them: with =, with a space, short, joined', () => {
  const wanted = { given: { hosts: ['unix:///a', 'tcp://b:1', 'fd://'], debug: 'true', mtu: '1400', icc: 'false' } };
  assert.deepEqual(
    parse('--host=unix:///a', '-H', 'tcp://b:1', '-Hfd://', '-D', '--mtu', '1300', '--mtu=1400', '--icc=false'),
    wanted,
  );
  assert.deepEqual(parse('-DH=unix:///a'), { given: { debug: 'true', hosts: ['unix:///a'] } });
});

test('a start line written for Docker', () => {
  const line =
    '--host unix:///x/docker.sock --data-root /x/d --exec-root /x/e --pidfile /x/p --config-file /x/c --storage-driver overlay2 --debug';
  assert.deepEqual(parse(...line.split(' ')), {
    given: {
      hosts: ['unix:///x/docker.sock'],
      dataRoot: '/x/d',
      execRoot: '/x/e',
      pidfile: '/x/p',
      storageDriver: 'overlay2',
      debug: 'true',
    },
    configFile: '/x/c',
  });
});

const MISTAKES: readonly (readonly [readonly string[], string])[] = [
  [['--frob'], 'unknown flag: --frob'],
  [['--frob=1'], 'unknown flag: --frob'],
  [['-DX'], "unknown shorthand flag: 'X' in -DX"],
  [['--mtu'], 'flag needs an argument: --mtu'],
  [['-H'], "flag needs an argument: 'H' in -H"],
  [['--=x'], 'bad flag syntax: --=x'],
  [['serve'], '"dockerd" accepts no arguments.'],
  // A switch takes no value behind a space, so this is an argument.
  [['--icc', 'false'], '"dockerd" accepts no arguments.'],
];
for (const [args, words] of MISTAKES) {
  test(`refused: ${args.join(' ')}`, () =>
    assert.deepEqual(parse(...args), { exitCode: 1, text: `${words}\nSee 'dockerd --help'.\n` }));
}

test('help names every flag that is not hidden, once', () => {
  const ending = parse('--help');
  assert.ok('exitCode' in ending && ending.exitCode === 0);
  const names = Array.from(ending.text.matchAll(/^ {2}(?: {3}|-.,) --([a-z0-9-]+)/gm), ([, name]) => name);
  assert.equal(new Set(names).size, names.length);
  for (const name of ['host', 'bip6', 'storage-driver', 'validate', 'version']) assert.ok(names.includes(name), name);
  assert.ok(!names.includes('network-diagnostic-port'), 'hidden in dockerd, too');
});

test('version and validate', () => {
  assert.deepEqual(parse('-v'), { exitCode: 0, text: 'Fairway version 1.2.3\n' });
  assert.deepEqual(parse('--validate', '--config-file=/x'), { given: {}, configFile: '/x', validate: true });
});
