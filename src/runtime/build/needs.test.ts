import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDockerfile } from './dockerfile.ts';
import { contextPaths, neededSecrets } from './needs.ts';
import { neededFolders, neededImages, planBuild } from './plan.ts';
import { renderPlan } from './render.ts';

const PLAIN = { bases: () => undefined, folder: () => '', program: () => '' };

const CONTEXTS = new Map([
  ['busybox', { kind: 'image', reference: 'other:2' }],
  ['files', { kind: 'folder' }],
  ['unused', { kind: 'folder' }],
] as const);

function plan(text: string, target = '') {
  const options = { target, arguments: {}, labels: {}, platform: 'linux/amd64', skipUnused: true, contexts: CONTEXTS };
  return planBuild(parseDockerfile(text, 'Dockerfile'), options);
}
const paths = (steps: string) => contextPaths(plan(`FROM a AS one\nFROM b\n${steps}\n`));

test('what is copied is what is needed of a context', () => {
  assert.deepEqual(paths('RUN x\nCOPY --from=one /x /y'), []);
  assert.deepEqual(
    paths('COPY --chown=1 src/*.c ./lib/ /to/\nADD ["a b", "/x"]\nADD https://example.org/z /'),
    ['src/*.c', 'lib/', 'a b', 'x'].slice(0, 3),
  );
  assert.deepEqual(paths('RUN --mount=type=cache,target=/c --mount=type=bind,from=one,target=/o x'), []);
});

test('where that cannot be seen, all of it is', () => {
  for (const step of [
    'COPY . /x',
    'COPY / /x',
    'COPY a/.. /x',
    'COPY $NAME /x',
    'COPY "a b" /x',
    'RUN --mount=type=bind,target=/c x',
    'RUN --mount=target=/c x',
    'ONBUILD COPY x /y',
  ]) {
    assert.equal(paths(step), undefined, step);
  }
});

test('what the target does not need is not looked for', () => {
  const text =
    'FROM a AS one\nRUN x\nFROM b AS two\nCOPY --from=0 /x /y\nFROM c\nRUN --mount=from=two,target=/t x\nFROM d\n';
  assert.deepEqual(neededImages(plan(text)), ['d']);
  assert.deepEqual(neededImages(plan(text, '2')), ['a', 'b', 'c']);
  assert.deepEqual(neededImages(plan(text, 'two')), ['a', 'b']);
  assert.equal(
    renderPlan(plan(text), { ...PLAIN, ids: new Map([['d', '1']]) }),
    'FROM scratch AS one\nFROM scratch AS two\nFROM scratch\nFROM 1\n',
  );
});

test('secrets are found by what mounts them', () => {
  const steps =
    'RUN --mount=type=secret,id=a --mount=type=secret,target=/run/b x\nRUN --mount=type=secret,id=a y --mount=type=secret,id=no';
  assert.deepEqual(neededSecrets(plan(`FROM a\n${steps}\n`)), ['a', 'b']);
});

test('named contexts stand for images and folders', () => {
  const given = plan(
    'FROM busybox:latest AS a\nCOPY --from=files x /y\nFROM a\nCOPY --from=busybox /x /y\nRUN --mount=type=bind,from=files,target=/f z\n',
  );
  assert.deepEqual(neededImages(given), ['other:2']);
  assert.deepEqual(neededFolders(given), ['files']);
  const rendered = renderPlan(given, { ...PLAIN, ids: new Map([['other:2', '7']]) });
  assert.equal(
    rendered,
    'FROM 7 AS a\nCOPY --from=files x /y\nFROM a\nCOPY --from=7 /x /y\nRUN --mount=type=bind,from=files,target=/f z\n',
  );
  assert.throws(() => plan('FROM files\n'), /a build context as a base is not supported by Fairway yet/);
});
