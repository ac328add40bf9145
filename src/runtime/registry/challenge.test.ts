import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChallenges } from './challenge.ts';

const read = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test('challenges as registries send them', () => {
  const hub =
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/busybox:pull"';
  assert.deepEqual(read(hub), [
    [
      'bearer',
      {
        realm: 'https://auth.docker.io/token',
        service: 'registry.docker.io',
        scope: 'repository:library/busybox:pull',
      },
    ],
  ]);
  assert.deepEqual(read('Basic realm=Registry'), [['basic', { realm: 'Registry' }]]);
});

test('several in one header, commas inside quotes, escapes', () => {
  assert.deepEqual(read('Basic realm="a, \\"b\\"", Bearer realm="r" , scope="x:pull,push"'), [
    ['basic', { realm: 'a, "b"' }],
    ['bearer', { realm: 'r', scope: 'x:pull,push' }],
  ]);
});

test('nonsense is no challenge', () => {
  assert.deepEqual(read(''), []);
  assert.deepEqual(read('="x"'), []);
});
