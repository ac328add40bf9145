import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { containerdState } from '../containerd-state.ts';
import { TestDaemon } from '../daemon.ts';
import { type BuiltLayer, blob, image, index, layer } from '../oci.ts';
import { TestRegistry } from '../registry.ts';

const short = ({ descriptor }: BuiltLayer) => descriptor.digest.slice(7, 19);

describe('registries', () => {
  let daemon: TestDaemon;
  let registry: TestRegistry;
  let base: BuiltLayer;
  const at = (name: string) => `${registry.address}/${name}`;
  const fails = async (...args: string[]) => {
    const finished = await daemon.docker(args);
    assert.notEqual(finished.code, 0, `docker ${args.join(' ')} should fail`);
    return finished.stderr;
  };

  before(async () => {
    daemon = await TestDaemon.create();
    registry = await TestRegistry.start(daemon.host, { port: 5000 });
    base = await layer({ 'bin/busybox': readFileSync('/bin/busybox'), 'bin/sh': readFileSync('/bin/busybox') });
  });
  after(() => daemon[Symbol.asyncDispose]());

  test('pull shows every step as Docker does, and the image runs', async () => {
    const upper = await layer({ 'greeting.txt': 'from the registry\n' });
    const built = image([base, upper]);
    await registry.putImage('team/web', '1', built);
    const lines = (await daemon.ok('pull', at('team/web:1'))).split('\n');
    const { digest } = built.manifest.descriptor;
    assert.equal(lines[0], '1: Pulling from team/web');
    for (const each of [base, upper]) {
      const own = lines.filter((line) => line.startsWith(`${short(each)}: `)).map((line) => line.slice(14));
      assert.deepEqual(own, ['Pulling fs layer', 'Verifying Checksum', 'Download complete', 'Pull complete']);
    }
    assert.deepEqual(lines.slice(-3), [
      `Digest: ${digest}`,
      `Status: Downloaded newer image for ${at('team/web:1')}`,
      at('team/web:1'),
    ]);
    const inspected = await daemon.ok('image', 'inspect', '-f', '{{.Id}} {{json .RepoDigests}}', at('team/web:1'));
    assert.equal(inspected, `${built.config.descriptor.digest} ["${at('team/web')}@${digest}"]`);
    assert.equal(
      await daemon.ok('run', '--rm', at('team/web:1'), 'busybox', 'cat', '/greeting.txt'),
      'from the registry',
    );
    const again = await daemon.ok('pull', at('team/web:1'));
    assert.match(again, /^1: Pulling from team\/web\nDigest: .*\nStatus: Image is up to date for /);
    assert.equal(await daemon.ok('pull', '-q', at('team/web:1')), at('team/web:1'));
  });

  test('a layer that is here already is not downloaded again, and pulls by digest work', async () => {
    const built = image([base, await layer({ 'second.txt': 'two\n' })]);
    await registry.putImage('team/second', 'latest', built);
    const name = `${at('team/second')}@${built.manifest.descriptor.digest}`;
    const output = await daemon.ok('pull', name);
    assert.match(output, new RegExp(`^${short(base)}: Already exists$`, 'm'));
    assert.match(output, new RegExp(`^${built.manifest.descriptor.digest}: Pulling from team/second`));
    assert.equal(await daemon.ok('run', '--rm', name, 'busybox', 'cat', '/second.txt'), 'two');
    assert.equal(await daemon.ok('images', '-q', at('team/second:latest')), '');
    const wrong = await fails('pull', `${at('team/second')}@sha256:${'0'.repeat(64)}`);
    assert.match(wrong, /manifest for .* not found: manifest unknown: manifest unknown/);
  });

  test('the stream is Docker’s JSON: sizes, bars, ids', async () => {
    const only = await layer({ 'third.txt': 'three\n' });
    await registry.putImage('third', '1', image([only]));
    const { body, status } = await daemon.api('POST', `/v1.44/images/create?fromImage=${at('third')}&tag=1`);
    assert.equal(status, 200);
    const { size } = only.descriptor;
    const bar = { progressDetail: { current: size, total: size }, id: short(only) };
    const full = `[${'='.repeat(50)}>] ${`${size}B`.padStart(8)}/${size}B`;
    const rows = body
      .trim()
      .split('\r\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(rows.slice(0, 5), [
      { status: 'Pulling from third', id: '1' },
      { status: 'Pulling fs layer', progressDetail: {}, id: short(only) },
      { status: 'Downloading', ...bar, progress: full },
      { status: 'Verifying Checksum', progressDetail: {}, id: short(only) },
      { status: 'Download complete', progressDetail: {}, id: short(only) },
    ]);
    assert.ok(rows.some((row) => row['status'] === 'Extracting' && row['progress'] === full));
    assert.equal(rows.at(-1)?.['status'], `Status: Downloaded newer image for ${at('third:1')}`);
  });

  test('run pulls what is missing; -a pulls every tag', async () => {
    await registry.putImage('tagged', 'one', image([base], { config: { Env: ['N=1'], Cmd: ['sh'] } }));
    await registry.putImage('tagged', 'two', image([base], { config: { Env: ['N=2'], Cmd: ['sh'] } }));
    const ran = await daemon.docker(['run', '--rm', at('tagged:one'), 'sh', '-c', 'echo $N']);
    assert.equal(ran.stdout, '1\n');
    assert.match(ran.stderr, /^Unable to find image '.*' locally\none: Pulling from tagged\n/);
    await daemon.ok('pull', '-a', at('tagged'));
    const tags = await daemon.ok('images', '--format', '{{.Tag}}', at('tagged'));
    assert.deepEqual(tags.split('\n').sort(), ['one', 'two']);
    assert.equal(
      await daemon.ok('run', '--rm', '--pull', 'always', '-q', at('tagged:two'), 'sh', '-c', 'echo $N'),
      '2',
    );
  });

  test('of several platforms this machine’s is taken, or the one that is asked for', async () => {
    const other = image([base], { architecture: 'arm64' });
    const own = image([base], { config: { Env: ['OWN=yes'], Cmd: ['sh'] } });
    for (const built of [other, own]) {
      await registry.putImage('multi', built.manifest.descriptor.digest, built);
    }
    const list = index({ 'linux/arm64/v8': other.manifest, 'linux/amd64': own.manifest });
    await registry.putManifest('multi', '1', list);
    await daemon.ok('pull', at('multi:1'));
    const show = () => daemon.ok('image', 'inspect', '-f', '{{.Architecture}} {{json .RepoDigests}}', at('multi:1'));
    const digests = `["${at('multi')}@${list.descriptor.digest}"]`;
    assert.equal(await show(), `amd64 ${digests}`);
    assert.match(
      await fails('pull', '--platform', 'linux/s390x', at('multi:1')),
      /no matching manifest for linux\/s390x/,
    );
    await daemon.ok('pull', '--platform', 'linux/arm64', at('multi:1'));
    assert.equal(await show(), `arm64 ${digests}`);
    const { body } = await daemon.api('GET', `/v1.44/distribution/${at('multi:1')}/json`);
    const { mediaType, digest, size } = list.descriptor;
    assert.deepEqual(JSON.parse(body), {
      Descriptor: { mediaType, digest, size },
      Platforms: [
        { architecture: 'arm64', os: 'linux', variant: 'v8' },
        { architecture: 'amd64', os: 'linux' },
      ],
    });
  });

  test('zstd layers', async () => {
    const packed = await layer({ 'zstd.txt': 'small\n' }, { suffix: '+zstd', run: zstdCompressSync });
    await registry.putImage('zstd', '1', image([base, packed]));
    assert.equal(await daemon.ok('run', '--rm', '-q', at('zstd:1'), 'busybox', 'cat', '/zstd.txt'), 'small');
  });

  test('what is no image for this engine is refused in clear words, and nothing of it stays', async () => {
    const before = await containerdState(daemon.host);
    const small = await layer({ 'a.txt': 'a' });
    const liar = image([{ ...small, diffId: `sha256:${'1'.repeat(64)}` }]);
    await registry.putImage('liar', '1', liar);
    assert.match(await fails('pull', at('liar:1')), /invalid diffID for layer/);
    await registry.putImage('short', '1', image([small], { rootfs: { type: 'layers', diff_ids: [] } }));
    assert.match(await fails('pull', at('short:1')), /invalid manifest, layers length mismatch/);
    await registry.putImage('windows', '1', image([small], { os: 'windows' }));
    assert.match(await fails('pull', at('windows:1')), /operating system "windows" when requesting "linux\/amd64"/);
    await registry.putImage('deep', '1', image(Array.from({ length: 128 }, () => small)));
    assert.match(await fails('pull', at('deep:1')), /max depth exceeded/);
    const chart = blob('application/vnd.cncf.helm.config.v1+json', Buffer.from('{}'));
    const document = { schemaVersion: 2, config: chart.descriptor, layers: [small.descriptor] };
    await registry.putBlob('chart', chart);
    await registry.putBlob('chart', small);
    const type = 'application/vnd.oci.image.manifest.v1+json';
    await registry.putManifest('chart', '1', blob(type, Buffer.from(JSON.stringify({ ...document, mediaType: type }))));
    assert.match(await fails('pull', at('chart:1')), /unsupported media type "application\/vnd.cncf.helm.config/);
    const tar = await layer({ 'b.txt': 'b' }, { suffix: '+gzip', run: () => Buffer.from('this is no tar at all') });
    await registry.putImage('garbage', '1', image([tar]));
    assert.match(await fails('pull', at('garbage:1')), /failed to register layer/);
    assert.deepEqual(await containerdState(daemon.host), before);
  });

  test('missing names and registries: Docker’s words and statuses', async () => {
    const missing = await daemon.api('POST', `/v1.44/images/create?fromImage=${at('none')}&tag=1`);
    const message = `manifest for ${at('none:1')} not found: manifest unknown: manifest unknown`;
    assert.deepEqual(missing, { status: 404, body: `${JSON.stringify({ message })}\n` });
    const dead = await daemon.api('POST', '/v1.44/images/create?fromImage=127.0.0.1:1/x&tag=1');
    assert.equal(dead.status, 500);
    assert.match(dead.body, /Get \\"http:\/\/127.0.0.1:1\/v2\/\\": dial tcp 127.0.0.1:1: connect: connection refused/);
    assert.match(await fails('pull', '-a', at('none')), /repository .*none not found: name unknown/);
    assert.match(await fails('search', 'nginx'), /searching registries is not supported/);
    assert.match(await fails('pull', 'UPPER'), /must be lowercase/);
  });

  test('push sends what is missing, and no layer twice', async () => {
    await daemon.ok('tag', 'busybox', at('pushed:1'));
    await daemon.ok('tag', 'busybox', at('pushed:2'));
    const first = await daemon.ok('push', at('pushed:1'));
    assert.match(
      first,
      /^The push refers to repository \[127.0.0.1:5000\/pushed\]\n\w{12}: Preparing\n\w{12}: Pushed\n1: digest: sha256:\w{64} size: \d+$/,
    );
    const digest = /sha256:\w{64}/.exec(first)?.[0] ?? '';
    assert.match(await daemon.ok('image', 'inspect', '-f', '{{.RepoDigests}}', at('pushed:1')), new RegExp(digest));
    const all = await daemon.ok('push', '--all-tags', at('pushed'));
    assert.equal(all.match(/: Layer already exists/g)?.length, 2);
    assert.match(all, new RegExp(`^2: digest: ${digest} size`, 'm'));
    await daemon.ok('tag', 'busybox', at('elsewhere/copy:1'));
    assert.match(await daemon.ok('push', at('elsewhere/copy:1')), /: Mounted from pushed$/m);
    assert.equal(await daemon.ok('push', '-q', at('pushed:1')), at('pushed:1'));
  });

  test('an image goes through a registry unchanged, from one daemon to another', async () => {
    const id = await daemon.ok('image', 'inspect', '-f', '{{.Id}}', 'busybox');
    await daemon.ok('tag', 'busybox', at('carried:1'));
    await daemon.ok('push', '-q', at('carried:1'));
    await daemon.ok('rmi', '-f', ...new Set((await daemon.ok('images', '-q', '--no-trunc')).split('\n')));
    assert.deepEqual((await containerdState(daemon.host))['blobs'], []);
    const pulled = await daemon.ok('pull', at('carried:1'));
    assert.equal(await daemon.ok('image', 'inspect', '-f', '{{.Id}}', at('carried:1')), id);
    assert.equal(
      await daemon.ok('run', '--rm', at('carried:1'), 'cat', '/var/www/index.html').then((text) => text.slice(0, 8)),
      'It works',
    );
    // What came packed goes on as it is: the digest stays.
    const digest = /^Digest: (\S+)$/m.exec(pulled)?.[1] ?? '';
    await daemon.ok('tag', at('carried:1'), at('further:1'));
    assert.match(await daemon.ok('push', at('further:1')), new RegExp(`^1: digest: ${digest} size`, 'm'));
    await daemon.ok('tag', at('carried:1'), 'busybox:latest');
  });

  test('pushing what is not there', async () => {
    assert.match(
      await fails('push', at('nothing:1')),
      /An image does not exist locally with the tag: 127.0.0.1:5000\/nothing/,
    );
    assert.match(await fails('push', at('carried:9')), /tag does not exist: 127.0.0.1:5000\/carried:9/);
  });
});
