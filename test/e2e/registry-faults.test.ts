import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { containerdState } from '../containerd-state.ts';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';
import { type BuiltImage, type BuiltLayer, image, layer } from '../oci.ts';
import { TestProxy, TestRegistry } from '../registry.ts';

const MEGABYTE = 1 << 20;

describe('registries that fail', () => {
  let daemon: TestDaemon;
  let registry: TestRegistry;
  let proxy: TestProxy;
  let large: BuiltLayer;
  let built: BuiltImage;
  const at = (name: string) => `${proxy.address}/${name}`;
  const blobOf = ({ descriptor }: BuiltLayer) => `blobs/${descriptor.digest}`;

  before(async () => {
    daemon = await TestDaemon.create(['--max-download-attempts', '3']);
    registry = await TestRegistry.start(daemon.host, { port: 5000 });
    proxy = await TestProxy.start(daemon.host, 5001, 5000);
    large = await layer({ 'noise.bin': randomBytes(3 * MEGABYTE), 'mark.txt': 'whole\n' });
    built = image([large]);
    await registry.putImage('big', '1', built);
  });
  after(() => daemon[Symbol.asyncDispose]());

  /** Pulls, and has the daemon forget it again. @returns the pull's output */
  async function pullAndForget(): Promise<string> {
    const output = await daemon.ok('pull', at('big:1'));
    await daemon.ok('rmi', at('big:1'));
    return output;
  }

  test('a download that breaks off goes on where it was', async () => {
    await proxy.rules({ request: blobOf(large), times: 2, act: { kind: 'cut', after: MEGABYTE } });
    const output = await pullAndForget();
    assert.match(output, /: Retrying in 1 second\n/);
    const asked = await proxy.seen(new RegExp(blobOf(large)));
    assert.equal(asked.length, 3);
    const starts = asked.map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range ?? 'bytes=0-')?.[1]));
    // What was on its way when the connection broke may be lost; what had come is not asked for again.
    const [first = -1, second = -1, third = -1] = starts;
    assert.ok(first === 0 && second > 0 && second <= MEGABYTE && third > second, `the tries begin at ${starts}`);
  });

  test('a registry that knows no ranges is asked for the whole again', async () => {
    await proxy.rules(
      { request: blobOf(large), times: 1, act: { kind: 'cut', after: MEGABYTE } },
      { request: blobOf(large), act: { kind: 'noRanges' } },
    );
    await pullAndForget();
    assert.equal((await proxy.seen(new RegExp(blobOf(large)))).length, 2);
  });

  test('a registry that is busy is asked again when it says so', async () => {
    const busy = { kind: 'answer', status: 503, headers: { 'Retry-After': '1' } } as const;
    await proxy.rules({ request: 'manifests/1', times: 1, act: busy }, { request: blobOf(large), times: 2, act: busy });
    assert.match(await pullAndForget(), /: Retrying in 1 second\n/);
  });

  test('one that counts pulls is believed at once', async () => {
    const body = JSON.stringify({ errors: [{ code: 'TOOMANYREQUESTS', message: 'You have reached your limit' }] });
    await proxy.rules({ request: 'manifests/1', act: { kind: 'answer', status: 429, body } });
    const refused = await daemon.docker(['pull', at('big:1')]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /toomanyrequests: You have reached your limit/);
    assert.equal((await proxy.seen(/manifests/)).length, 1);
  });

  test('a registry that stays broken: the error is told, and nothing stays', async () => {
    const before = await containerdState(daemon.host);
    await proxy.rules({ request: blobOf(large), act: { kind: 'cut', after: 1000 } });
    const refused = await daemon.docker(['pull', at('big:1')]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, new RegExp(large.descriptor.digest));
    assert.equal((await proxy.seen(new RegExp(blobOf(large)))).length, 3);
    assert.deepEqual(await containerdState(daemon.host), before);
  });

  test('a layer that came wrong once comes again; one that is wrong is refused', async () => {
    const before = await containerdState(daemon.host);
    await proxy.rules({ request: blobOf(large), times: 1, act: { kind: 'corrupt' } });
    await pullAndForget();
    await proxy.rules({ request: blobOf(large), act: { kind: 'corrupt' } });
    const refused = await daemon.docker(['pull', at('big:1')]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /filesystem layer verification failed for digest sha256:/);
    assert.deepEqual(await containerdState(daemon.host), before);
  });

  test('a manifest or a configuration that is not what its digest says is refused', async () => {
    const before = await containerdState(daemon.host);
    const { digest } = built.manifest.descriptor;
    await proxy.rules({ request: 'manifests/', act: { kind: 'corrupt' } });
    for (const name of ['big:1', `big@${digest}`]) {
      const refused = await daemon.docker(['pull', at(name)]);
      assert.match(refused.stderr, /manifest verification failed for digest/);
    }
    await proxy.rules({ request: `blobs/${built.config.descriptor.digest}`, act: { kind: 'corrupt' } });
    assert.match((await daemon.docker(['pull', at('big:1')])).stderr, /verification failed for digest/);
    assert.deepEqual(await containerdState(daemon.host), before);
  });

  test('what is longer than its descriptor says is not read on', async () => {
    const longer = { ...large, descriptor: { ...large.descriptor, size: large.descriptor.size - 10 } };
    const { config } = built;
    const document = { schemaVersion: 2, config: config.descriptor, layers: [longer.descriptor] };
    const body = JSON.stringify(document);
    const headers = { 'Content-Type': 'application/vnd.oci.image.manifest.v1+json' };
    await proxy.rules({ request: 'manifests/lying', act: { kind: 'answer', status: 200, headers, body } });
    const refused = await daemon.docker(['pull', at('big:lying')]);
    assert.match(refused.stderr, /more than \d+ bytes/);
  });

  test('old and endless manifests are refused', async () => {
    const old = JSON.stringify({ schemaVersion: 1, name: 'big', tag: 'old', fsLayers: [] });
    const type = { 'Content-Type': 'application/vnd.docker.distribution.manifest.v1+prettyjws' };
    await proxy.rules(
      { request: 'manifests/old', act: { kind: 'answer', status: 200, headers: type, body: old } },
      { request: 'manifests/endless', act: { kind: 'answer', status: 200, body: ' '.repeat(5 * MEGABYTE) } },
      { request: 'manifests/garbage', act: { kind: 'answer', status: 200, body: '<html>' } },
    );
    assert.match((await daemon.docker(['pull', at('big:old')])).stderr, /schema 1 is not supported/);
    assert.match((await daemon.docker(['pull', at('big:endless')])).stderr, /larger than 4194304 bytes/);
    assert.match((await daemon.docker(['pull', at('big:garbage')])).stderr, /is no JSON/);
    const foreign = { ...large.descriptor, mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip' };
    const body = JSON.stringify({ schemaVersion: 2, config: built.config.descriptor, layers: [foreign] });
    const headers = { 'Content-Type': 'application/vnd.docker.distribution.manifest.v2+json' };
    await proxy.rules({ request: 'manifests/foreign', act: { kind: 'answer', status: 200, headers, body } });
    assert.match((await daemon.docker(['pull', at('big:foreign')])).stderr, /non-distributable \(foreign\) layers/);
  });

  test('Ctrl-C ends a pull, and nothing of it stays', async () => {
    const before = await containerdState(daemon.host);
    await proxy.rules({ request: blobOf(large), act: { kind: 'hold', after: MEGABYTE } });
    const client = daemon.host.spawn(['docker', 'pull', at('big:1')], daemon.env());
    client.stdout?.resume();
    await eventually(
      'the download has begun',
      async () => (await containerdState(daemon.host))['ingests']?.length === 1,
    );
    const pid = await daemon.host.out(['pgrep', '-n', '-x', 'docker']);
    await daemon.host.out(['kill', '-INT', pid]);
    await eventually('nothing is left', async () => {
      const now = await containerdState(daemon.host);
      return JSON.stringify(now) === JSON.stringify(before);
    });
    await proxy.rules();
  });

  test('two pulls share a download, and the one that stays gets it', async () => {
    const other = image([large], { config: { Env: ['OTHER=1'], Cmd: ['sh'] } });
    await registry.putImage('other', '1', other);
    await proxy.rules({ request: blobOf(large), act: { kind: 'hold', after: MEGABYTE } });
    const going = daemon.host.spawn(['docker', 'pull', at('big:1')], daemon.env());
    going.stdout?.resume();
    await eventually('the download has begun', async () => (await proxy.seen(new RegExp(blobOf(large)))).length === 1);
    const pid = await daemon.host.out(['pgrep', '-n', '-x', 'docker']);
    const staying = daemon.ok('pull', at('other:1'));
    await eventually(
      'the second pull holds the layer too',
      async () => (await containerdState(daemon.host))['leases']?.length === 2,
    );
    await daemon.host.out(['kill', '-INT', pid]);
    await eventually('the first is gone', async () => (await containerdState(daemon.host))['leases']?.length === 1);
    // What is held is let go of; what was seen before is forgotten.
    await proxy.rules();
    assert.match(await staying, /Pull complete/);
    assert.deepEqual(await proxy.seen(new RegExp(blobOf(large))), []);
    await daemon.ok('rmi', at('other:1'));
  });

  test('an upload that fails is tried again', async () => {
    await daemon.ok('tag', 'busybox', at('up:1'));
    await proxy.rules(
      { request: '^PUT .*blobs/uploads', times: 1, act: { kind: 'answer', status: 503 } },
      { request: '^PUT .*manifests', times: 1, act: { kind: 'answer', status: 502, headers: { 'Retry-After': '0' } } },
    );
    assert.match(await daemon.ok('push', at('up:1')), /^1: digest: sha256:/m);
    await proxy.rules({ request: '^POST', act: { kind: 'answer', status: 405 } });
    await daemon.ok('tag', 'busybox', at('readonly:1'));
    const refused = await daemon.docker(['push', at('readonly:1')]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /received unexpected HTTP status: 405 Method Not Allowed/);
    await proxy.rules();
  });

  test('a full disk is told, and room is made again', async () => {
    const before = await containerdState(daemon.host);
    const free = async () => Number((await daemon.host.out(['df', '--output=avail', '-k', '/run'])).split('\n')[1]);
    const used = Number((await daemon.host.out(['df', '--output=used', '-k', '/run'])).split('\n')[1]);
    await daemon.host.out(['mount', '-o', `remount,size=${used + 2048}k`, '/run']);
    const room = await free();
    const refused = await daemon.docker(['pull', at('big:1')]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /no space left on device/);
    assert.deepEqual(await containerdState(daemon.host), before);
    assert.ok((await free()) > room - 512, `${room} KiB were free, ${await free()} are now`);
    await daemon.host.out(['mount', '-o', 'remount,size=50%', '/run']);
    await pullAndForget();
  });
});
