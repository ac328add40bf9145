import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRuntimes } from './runtimes.ts';

test('by flag and as the file has them', () => {
  const given = ['crun=/usr/bin/crun', 'verbose={"path":"crun","runtimeArgs":["--debug"]}'];
  assert.deepEqual(parseRuntimes(given, 'verbose'), {
    byName: { crun: { path: '/usr/bin/crun', args: [] }, verbose: { path: 'crun', args: ['--debug'] } },
    chosen: 'verbose',
  });
  assert.deepEqual(parseRuntimes([], 'io.containerd.runc.v2'), { byName: {}, chosen: 'io.containerd.runc.v2' });
});

const REFUSED: readonly (readonly [readonly string[], string, string])[] = [
  [['foo'], 'runc', 'invalid argument "foo" for "--add-runtime" flag: invalid runtime argument: foo'],
  [['foo='], 'runc', 'invalid argument "foo=" for "--add-runtime" flag: invalid runtime argument: foo='],
  [['runc=/x'], 'runc', `invalid argument "runc=/x" for "--add-runtime" flag: runtime name 'runc' is reserved`],
  [['a=/x', 'a=/y'], 'runc', `invalid argument "a=/y" for "--add-runtime" flag: runtime 'a' was already defined`],
  [[], 'kata', "specified default runtime 'kata' does not exist"],
  [['a={}'], 'runc', 'runtime a: a path must be configured'],
  [['a={"path":"/x","options":{}}'], 'runc', 'runtime a: options cannot be used with a path runtime'],
  [['a={"path":"/x","runtimeArgs":[1]}'], 'runc', 'runtime a: want a path and a list of runtimeArgs'],
  [
    ['a={"runtimeType":"io.containerd.kata.v2"}'],
    'runc',
    'runtime a: a runtimeType is not supported by Fairway: name the program by its path',
  ],
];
for (const [given, chosen, message] of REFUSED) {
  test(`refused: ${message}`, () => assert.throws(() => parseRuntimes(given, chosen), { message }));
}
