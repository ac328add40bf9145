import assert from 'node:assert/strict';
import { existsSync, readlinkSync, writeFileSync } from 'node:fs';
import { readlink } from 'node:fs/promises';
import { test } from 'node:test';
import { NetworkNamespace } from '../../src/kernel/netns.ts';
import { KernelError } from '../../src/model/errors.ts';
import { Namespaces } from './namespaces.ts';

const here = () => readlinkSync('/proc/thread-self/ns/net');

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof KernelError && error.code === code;
}

test('a created namespace is another one, and the caller stays at home', async () => {
  using namespaces = await Namespaces.begin();
  const home = here();
  const namespace = namespaces.make('a');
  assert.equal(here(), home);
  assert.notEqual(namespace.run(here), home);
  assert.equal(here(), home);
});

test('a pinned namespace is opened again by its path', async () => {
  using namespaces = await Namespaces.begin();
  const made = namespaces.make('a');
  using opened = NetworkNamespace.open(namespaces.path('a'));
  assert.equal(opened.run(here), made.run(here));
});

test('a taken path is EEXIST, a missing directory ENOENT, and neither leaves anything behind', async () => {
  using namespaces = await Namespaces.begin();
  const home = here();
  namespaces.make('a');
  assert.throws(() => namespaces.make('a'), hasCode('EEXIST'));
  assert.throws(() => namespaces.make('missing/a'), hasCode('ENOENT'));
  assert.throws(() => NetworkNamespace.open(namespaces.path('b')), hasCode('ENOENT'));
  assert.equal(here(), home);
});

test('unpinning takes the name away, and is fine with what is missing or half-made', async () => {
  using namespaces = await Namespaces.begin();
  namespaces.make('a');
  NetworkNamespace.unpin(namespaces.path('a'));
  assert.equal(existsSync(namespaces.path('a')), false);
  NetworkNamespace.unpin(namespaces.path('a'));
  writeFileSync(namespaces.path('b'), '');
  NetworkNamespace.unpin(namespaces.path('b'));
  assert.equal(existsSync(namespaces.path('b')), false);
});

test('visits nest, and end also by an exception', async () => {
  using namespaces = await Namespaces.begin();
  const home = here();
  const [a, b] = [namespaces.make('a'), namespaces.make('b')];
  const [nameOfA, nameOfB] = [a.run(here), b.run(here)];
  const seen = a.run(() => [here(), b.run(here), NetworkNamespace.home().run(here), here()]);
  assert.deepEqual(seen, [nameOfA, nameOfB, home, nameOfA]);
  assert.throws(
    () =>
      a.run(() => {
        throw new RangeError('from inside');
      }),
    RangeError,
  );
  assert.equal(here(), home);
});

test('a namespace made during a visit comes back to the place of the visit', async () => {
  using namespaces = await Namespaces.begin();
  const a = namespaces.make('a');
  const [before, after] = a.run(() => {
    const before = here();
    namespaces.make('b');
    return [before, here()];
  });
  assert.equal(after, before);
});

test('asynchronous work is refused, since it would run at home', async () => {
  using namespaces = await Namespaces.begin();
  assert.throws(() => namespaces.make('a').run(async () => 1), TypeError);
});

test('file access started inside a visit runs at home once the threads are there', async () => {
  using namespaces = await Namespaces.begin();
  const home = here();
  const started = namespaces.make('a').run(() => ({ link: readlink('/proc/thread-self/ns/net') }));
  assert.equal(await started.link, home);
});

test('disposing home does nothing', () => {
  NetworkNamespace.home()[Symbol.dispose]();
  assert.equal(NetworkNamespace.home().run(here), here());
});
