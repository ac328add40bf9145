import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { Runtime } from '../../src/runtime/runtime.ts';
import { busyboxTar } from '../fixtures.ts';
import { NO_REGISTRY_OPTIONS } from '../no-registries.ts';
import { silent } from './containerd.ts';
import { ImageHost, noUser, tarOf } from './image-host.ts';

let host: ImageHost;

before(async () => {
  host = await ImageHost.start();
});

after(() => host[Symbol.asyncDispose]());

test('an imported image is found, described and removed without a trace', async () => {
  const id = await host.runtime.images.import(createReadStream(await busyboxTar()), {
    repository: 'busybox',
    changes: ['CMD ["sh"]', 'ENV A=1', 'EXPOSE 80'],
    message: '',
  });
  assert.match(id, /^sha256:[0-9a-f]{64}$/);
  for (const name of ['busybox', 'busybox:latest', 'docker.io/library/busybox', id, id.slice(7), id.slice(7, 19)]) {
    assert.equal((await host.runtime.images.find(name)).id, id, name);
  }
  const image = await host.runtime.images.find('busybox');
  assert.deepEqual(image.tags, ['busybox:latest']);
  assert.equal(image.comment, 'Imported from -');
  assert.deepEqual(image.config.command, ['sh']);
  assert.deepEqual(image.config.env, ['A=1']);
  assert.deepEqual(image.config.exposedPorts, ['80/tcp']);
  assert.ok(image.size > 1_900_000 && image.size < 2_500_000, `size ${image.size}`);
  const [row, ...more] = await host.runtime.images.history('busybox');
  assert.deepEqual(more, []);
  assert.deepEqual(
    { ...row, created: '' },
    {
      id,
      created: '',
      createdBy: '',
      comment: 'Imported from -',
      tags: ['busybox:latest'],
      size: image.size,
    },
  );
  const removed = await host.runtime.images.remove('busybox', noUser);
  assert.deepEqual(removed, [{ Untagged: 'busybox:latest' }, { Deleted: id }, { Deleted: image.layers[0] }]);
  await host.assertEmpty();
});

test('gzip and zstd are unpacked before they count; other formats are refused', async () => {
  const tar = await tarOf({ name: 'file', text: 'content' });
  const ids = [
    await host.importTar('a', tar),
    await host.importTar('b', gzipSync(tar)),
    await host.importTar('c', zstdCompressSync(tar)),
  ];
  const images = await Promise.all(ids.map((id) => host.runtime.images.find(id)));
  assert.equal(new Set(images.map((image) => image.layers[0])).size, 1);
  await assert.rejects(host.importTar('d', Buffer.from('\xfd7zXZ\0 and so on', 'latin1')), /xz is not supported/);
  await assert.rejects(host.importTar('d', Buffer.from('BZh9 and so on')), /bzip2 is not supported/);
  for (const id of ids) await host.runtime.images.remove(id, noUser);
  await host.assertEmpty();
});

test('what fails leaves nothing behind', async () => {
  await assert.rejects(host.importTar('bad', Buffer.alloc(4096, 'x')), /invalid tar header/);
  await assert.rejects(
    host.importTar('bad', gzipSync(Buffer.alloc(4096, 'x')).subarray(0, 30)),
    /unexpected end of file/,
  );
  const broken = new Readable({ read() {} });
  broken.push(await tarOf({ name: 'file', text: 'content' }));
  const cut = host.runtime.images.import(broken, { repository: 'cut', changes: [], message: '' });
  setImmediate(() => broken.destroy(new Error('connection reset')));
  await assert.rejects(cut, /connection reset/);
  await assert.rejects(host.importTar('Upper', await tarOf({ name: 'x' })), {
    kind: 'invalidArgument',
    message: 'invalid reference format: repository name (library/Upper) must be lowercase',
  });
  await assert.rejects(
    host.importTar('x', await tarOf({ name: 'x' }), 'FROM scratch'),
    /FROM is not a valid change command/,
  );
  await host.assertEmpty();
});

test('a name moves from one image to the next, and the former stays without one', async () => {
  const first = await host.importTar('app', await tarOf({ name: 'one', text: '1' }));
  const second = await host.importTar('app', await tarOf({ name: 'two', text: '2' }));
  assert.equal((await host.runtime.images.find('app')).id, second);
  assert.deepEqual((await host.runtime.images.find(first)).tags, []);
  await host.runtime.images.tag(first, 'registry.example:5000/team/app', 'v1');
  assert.deepEqual((await host.runtime.images.find(first)).tags, ['registry.example:5000/team/app:v1']);
  assert.equal((await host.runtime.images.list()).length, 2);
  await assert.rejects(host.runtime.images.tag('missing', 'x', ''), {
    kind: 'notFound',
    message: 'No such image: missing:latest',
  });
  await assert.rejects(host.runtime.images.tag('app', 'x', 'a/b'), { message: 'invalid reference format' });
  await host.runtime.images.remove(first, noUser);
  await host.runtime.images.remove(second, noUser);
  await host.assertEmpty();
});

test('removal follows the rules of docker rmi', async () => {
  const id = await host.importTar('one', await tarOf({ name: 'a', text: 'a' }));
  const short = id.slice(7, 19);
  const container = 'c'.repeat(64);
  const used = (running: boolean, force = false) => ({ force, prune: true, inUse: () => ({ container, running }) });
  await assert.rejects(host.runtime.images.remove('one', used(false)), {
    kind: 'conflict',
    message: `conflict: unable to remove repository reference "one" (must force) - container cccccccccccc is using its referenced image ${short}`,
  });
  await assert.rejects(host.runtime.images.remove(id, used(false)), {
    message: `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container cccccccccccc`,
  });
  await assert.rejects(host.runtime.images.remove(id, used(true, true)), {
    message: `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
  });
  await host.runtime.images.tag('one', 'two', '');
  assert.deepEqual(await host.runtime.images.remove('two', used(true)), [{ Untagged: 'two:latest' }]);
  await host.runtime.images.tag('one', 'two', '');
  await assert.rejects(host.runtime.images.remove(short, noUser), {
    message: `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
  });
  await host.runtime.images.remove('two', noUser);
  assert.deepEqual(await host.runtime.images.remove('one', used(true, true)), [{ Untagged: 'one:latest' }]);
  assert.deepEqual((await host.runtime.images.find(id)).tags, []);
  assert.deepEqual((await host.runtime.images.remove(id, used(false, true)))[0], { Deleted: id });
  await assert.rejects(host.runtime.images.remove('one', noUser), {
    kind: 'notFound',
    message: 'No such image: one:latest',
  });
  await host.assertEmpty();
});

test('pruning takes what has no name, or what nobody uses', async () => {
  const nameless = await host.importTar('', await tarOf({ name: 'a', text: 'a' }));
  const named = await host.importTar('named', await tarOf({ name: 'b', text: 'b' }));
  const used = await host.importTar('used', await tarOf({ name: 'c', text: 'c' }));
  const inUse = (id: string) => id === used;
  const first = await host.runtime.images.prune({ danglingOnly: true, inUse });
  assert.deepEqual(first.deleted[0], { Deleted: nameless });
  assert.ok(first.reclaimed > 0);
  const second = await host.runtime.images.prune({ danglingOnly: false, inUse });
  assert.deepEqual(second.deleted.slice(0, 2), [{ Untagged: 'named:latest' }, { Deleted: named }]);
  assert.deepEqual(
    (await host.runtime.images.list()).map((image) => image.id),
    [used],
  );
  await host.runtime.images.remove(used, noUser);
  await host.assertEmpty();
});

test('a container has a writable layer of its own, which keeps the image’s layers', async () => {
  const id = await host.importTar('base', await tarOf({ name: 'file', text: 'base' }));
  const image = await host.runtime.images.find(id);
  const mounts = await host.runtime.snapshots.prepare('container1', image);
  assert.deepEqual(await host.runtime.snapshots.mounts('container1'), mounts);
  assert.deepEqual(await host.runtime.snapshots.list(), ['container1']);
  const stopped = { force: true, prune: true, inUse: () => ({ container: 'container1', running: false }) };
  assert.deepEqual(await host.runtime.images.remove('base', stopped), [{ Untagged: 'base:latest' }, { Deleted: id }]);
  assert.deepEqual((await host.holdings())['layers'], ['container1', image.layers[0]].sort());
  const source = mounts[0]?.options.find((option) => option.startsWith('lowerdir='))?.slice('lowerdir='.length);
  const layer = source ?? mounts[0]?.source ?? '';
  assert.equal(await readFile(join(layer, 'file'), 'utf8'), 'base');
  await host.runtime.snapshots.remove('container1');
  await host.runtime.snapshots.remove('container1');
  const other = await host.importTar('other', await tarOf({ name: 'other' }));
  await host.runtime.images.remove(other, noUser);
  await host.assertEmpty();
});

test('digests of a repository are shown, and go with its last tag', async () => {
  const id = await host.importTar('app:1', await tarOf({ name: 'a', text: 'a' }));
  const { image } = await host.runtime.containerd.images.get({ name: 'docker.io/library/app:1' });
  const digest = `sha256:${'d'.repeat(64)}`;
  await host.runtime.containerd.images.create({
    image: { name: `docker.io/library/app@${digest}`, target: image?.target ?? {} },
  });
  const { tags, digests } = await host.runtime.images.find(`app@${digest}`);
  assert.deepEqual({ tags, digests }, { tags: ['app:1'], digests: [`app@${digest}`] });
  await host.runtime.images.tag('app:1', 'app', '2');
  assert.deepEqual(await host.runtime.images.remove('app:1', noUser), [{ Untagged: 'app:1' }]);
  const removed = await host.runtime.images.remove('app:2', noUser);
  assert.deepEqual(removed.slice(0, 3), [{ Untagged: 'app:2' }, { Untagged: `app@${digest}` }, { Deleted: id }]);
  await host.assertEmpty();
});

test('what a crashed daemon had begun is gone after the next start', async () => {
  const hanging = new Readable({ read() {} });
  hanging.push(await tarOf({ name: 'file', text: 'content' }));
  const interrupted = assert.rejects(
    host.runtime.images.import(hanging, { repository: 'half', changes: [], message: '' }),
  );
  while ((await host.holdings())['uploads']?.length === 0) await setTimeout(5);
  const { directory } = host;
  const next = await Runtime.start({
    registry: NO_REGISTRY_OPTIONS,
    dataRoot: directory,
    execRoot: join(directory, 'exec'),
    containerd: join(directory, 'exec', 'containerd', 'containerd.sock'),
    logger: silent,
  });
  await host.assertEmpty();
  await next.close();
  hanging.destroy(new Error('gone'));
  await interrupted;
});

test('versions of what runs the containers', async () => {
  const versions = await host.runtime.versions();
  assert.match(versions.containerd.version, /^v?\d/);
  assert.match(versions.runc, /^\d/);
});
