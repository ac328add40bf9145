import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { Archive } from '../../src/runtime/images/archive.ts';
import type { Blobs } from '../../src/runtime/images/blobs.ts';
import { collect, ImageHost, noUser, tarOf } from './image-host.ts';

let host: ImageHost;

before(async () => {
  host = await ImageHost.start();
});

after(() => host[Symbol.asyncDispose]());

test('what is saved is loaded again as it was, names and all', async () => {
  const id = await host.importTar('app:1', await tarOf({ name: 'a', text: 'a' }), 'CMD run');
  await host.runtime.images.tag(id, 'app', '2');
  const byName = await collect(host.runtime.images.save(['app:1']));
  const wholeRepository = await collect(host.runtime.images.save(['app']));
  const byId = await collect(host.runtime.images.save([id]));
  const before = await host.runtime.images.find(id);
  // As old as the image: field 6 of a header (pax(1), "ustar Interchange Format").
  assert.equal(Number.parseInt(byId.toString('latin1', 136, 147), 8), Math.floor(Date.parse(before.created) / 1000));
  await assert.rejects(collect(host.runtime.images.save(['app:1', 'gone'])), {
    kind: 'notFound',
    message: 'No such image: gone:latest',
  });
  for (const [archive, output, tags] of [
    [byName, 'Loaded image: app:1\n', ['app:1']],
    [gzipSync(wholeRepository), 'Loaded image: app:1\nLoaded image: app:2\n', ['app:1', 'app:2']],
    [byId, `Loaded image ID: ${id}\n`, []],
  ] as const) {
    await host.runtime.images.remove(id, { ...noUser, force: true });
    await host.assertEmpty();
    assert.equal(await host.load(archive), output);
    assert.deepEqual(await host.runtime.images.find(id), { ...before, tags });
  }
  await host.runtime.images.remove(id, noUser);
  await host.assertEmpty();
});

test('archives of old Docker and of OCI tools are read; a name that is taken moves', async () => {
  const layer = await tarOf({ name: 'file', text: 'layer' });
  const sha = (data: Buffer | string) => createHash('sha256').update(data).digest('hex');
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: { Cmd: ['x'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha(layer)}`] },
  });
  const old = await tarOf(
    { name: 'aaa/', type: 'directory' },
    { name: 'aaa/VERSION', text: '1.0' },
    { name: 'aaa/json', text: '{}' },
    { name: 'aaa/layer.tar', text: layer },
    { name: 'bbb/layer.tar', type: 'symlink', linkname: '../aaa/layer.tar' },
    { name: `${sha(config)}.json`, text: config },
    {
      name: 'manifest.json',
      text: JSON.stringify([{ Config: `${sha(config)}.json`, RepoTags: ['old:1'], Layers: ['bbb/layer.tar'] }]),
    },
    { name: 'repositories', text: '{}' },
  );
  const taken = await host.importTar('old:1', await tarOf({ name: 'other' }));
  const moved = `The image old:1 already exists, renaming the old one with ID ${taken} to empty string\n`;
  assert.equal(await host.load(old), `${moved}Loaded image: old:1\n`);
  assert.equal((await host.runtime.images.find('old:1')).id, `sha256:${sha(config)}`);

  const zipped = gzipSync(layer);
  const descriptor = (bytes: Buffer | string, mediaType: string) => ({
    mediaType,
    digest: `sha256:${sha(bytes)}`,
    size: bytes.length,
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    config: descriptor(config, 'application/vnd.oci.image.config.v1+json'),
    layers: [descriptor(zipped, 'application/vnd.docker.image.rootfs.diff.tar.gzip')],
  });
  const inner = JSON.stringify({
    manifests: [
      {
        ...descriptor('other', 'application/vnd.oci.image.manifest.v1+json'),
        platform: { os: 'linux', architecture: 's390x' },
      },
      {
        ...descriptor(manifest, 'application/vnd.oci.image.manifest.v1+json'),
        platform: { os: 'linux', architecture: 'amd64' },
      },
      {
        ...descriptor(manifest, 'application/vnd.oci.image.manifest.v1+json'),
        platform: { os: 'linux', architecture: 'arm64' },
      },
    ],
  });
  const index = JSON.stringify({
    manifests: [
      {
        ...descriptor(inner, 'application/vnd.oci.image.index.v1+json'),
        annotations: { 'io.containerd.image.name': 'docker.io/library/oci:3' },
      },
    ],
  });
  const oci = await tarOf(
    ...[config, zipped, manifest, inner].map((text) => ({ name: `blobs/sha256/${sha(text)}`, text })),
    { name: 'index.json', text: index },
    { name: 'oci-layout', text: '{}' },
  );
  assert.equal(await host.load(oci), 'Loaded image: oci:3\n');
  assert.deepEqual((await host.runtime.images.find('oci:3')).tags, ['oci:3', 'old:1']);
  await host.runtime.images.remove('oci:3', noUser);
  await host.runtime.images.remove('old:1', noUser);
  await host.runtime.images.remove(taken, noUser);
  await host.assertEmpty();
});

/** Records about a file that would have to be held in memory. */
async function longRecords(): Promise<Buffer> {
  const tar = await tarOf({ name: 'x', text: 'x'.repeat(2 << 20) });
  tar.write('x', 156);
  return tar;
}

test('malformed archives are refused, and leave nothing', async () => {
  const id = await host.importTar('x', await tarOf({ name: 'a', text: 'a' }));
  const good = await collect(host.runtime.images.save(['x']));
  await host.runtime.images.remove(id, noUser);
  const manifest = (entry: object) => ({ name: 'manifest.json', text: JSON.stringify([entry]) });
  const cases: readonly (readonly [Buffer, RegExp])[] = [
    [await tarOf({ name: 'some', text: 'file' }), /^invalid archive: does not contain a manifest.json$/],
    [await tarOf({ name: '../evil', text: 'file' }), /^invalid archive: path "..\/evil" leads out of it$/],
    [await tarOf({ name: 'x/l', type: 'symlink', linkname: '../../etc' }), /leads out of it$/],
    [await tarOf({ name: 'manifest.json', text: '{' }), /is no JSON$/],
    [await tarOf({ name: 'manifest.json', text: '{}' }), /^invalid image: malformed manifest.json$/],
    [await tarOf(manifest({ Config: 'c.json', Layers: [] })), /^invalid archive: no file c.json$/],
    [
      await tarOf({ name: 'c', text: '{"rootfs":{"diff_ids":["sha256:0"]}}' }, manifest({ Config: 'c', Layers: [] })),
      /malformed rootfs.diff_ids$/,
    ],
    [
      await tarOf(
        { name: 'c', text: `{"rootfs":{"diff_ids":["sha256:${'0'.repeat(64)}"]}}` },
        { name: 'l', text: await tarOf({ name: 'f' }) },
        manifest({ Config: 'c', Layers: ['l'] }),
      ),
      /^invalid diffID for layer 0: expected "sha256:0+", got "sha256:[0-9a-f]{64}"$/,
    ],
    [good.subarray(0, 3000), /^unexpected EOF$/],
    [Buffer.alloc(2048, 'x'), /^archive\/tar: invalid tar header$/],
    [await longRecords(), /^archive\/tar: header field too long$/],
  ];
  for (const [archive, message] of cases) {
    await assert.rejects(host.load(archive), (error: Error) => {
      assert.match(error.message, message);
      return true;
    });
  }
  await host.assertEmpty();
});

test('an upload that breaks off ends the load, and leaves nothing', async () => {
  const upload = new Readable({ read() {} });
  upload.push((await tarOf({ name: 'layer', text: Buffer.alloc(3 << 20, 'x') })).subarray(0, 2 << 20));
  const loading = assert.rejects(
    host.runtime.images.load(upload, () => undefined),
    /connection reset/,
  );
  while ((await host.holdings())['uploads']?.length === 0) await setTimeout(5);
  upload.destroy(new Error('connection reset'));
  await loading;
  await host.assertEmpty();
});

test('an upload that breaks off before a file of it is read tells the same', async () => {
  const upload = new Readable({ read() {} });
  upload.push((await tarOf({ name: 'layer', text: Buffer.alloc(3 << 20, 'x') })).subarray(0, 2 << 20));
  const write = async (file: AsyncIterable<Buffer>) => {
    upload.destroy(new Error('connection reset'));
    await setTimeout(20);
    return { digest: '', size: (await collect(file)).length };
  };
  await assert.rejects(Archive.read(upload, { write } as unknown as Blobs, ''), /connection reset/);
});
