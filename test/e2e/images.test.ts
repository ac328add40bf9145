import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { busyboxTar } from '../fixtures.ts';

describe('images', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  test('import with --change makes an image that runs by its own command', async () => {
    const changes = [
      '--change',
      'CMD ["echo", "from the image"]',
      '--change',
      'ENV GREETING=hi',
      '--change',
      'WORKDIR /tmp',
      '--change',
      'EXPOSE 80/tcp 53/udp',
      '--change',
      'LABEL made=by-import',
      '--change',
      'USER 7',
    ];
    const id = await daemon.ok('import', ...changes, '-m', 'first words', await busyboxTar(), 'mine:v1');
    assert.match(id, /^sha256:[0-9a-f]{64}$/);
    assert.equal(await daemon.ok('run', '--rm', 'mine:v1'), 'from the image');
    assert.equal(await daemon.ok('run', '--rm', 'mine:v1', 'sh', '-c', 'echo $GREETING; pwd; id -u'), 'hi\n/tmp\n7');
    const config = JSON.parse(await daemon.ok('image', 'inspect', '-f', '{{json .Config}}', 'mine:v1')) as Record<
      string,
      unknown
    >;
    assert.deepEqual(config['ExposedPorts'], { '53/udp': {}, '80/tcp': {} });
    assert.deepEqual(config['Labels'], { made: 'by-import' });
    assert.match(await daemon.ok('history', '--format', '{{.Comment}}', 'mine:v1'), /first words/);
    await daemon.ok('rmi', 'mine:v1');
  });

  test('an image is for a platform: import says which, and it is asked for by --platform', async () => {
    const id = await daemon.ok('import', '--platform', 'linux/arm/v7', await busyboxTar(), 'small:arm');
    const fields = ['image', 'inspect', '-f', '{{.Id}} {{.Os}} {{.Architecture}} {{.Variant}}'];
    assert.equal(await daemon.ok(...fields, 'small:arm'), `${id} linux arm v7`);
    assert.equal(await daemon.ok(...fields, '--platform', 'linux/arm', 'small:arm'), `${id} linux arm v7`);
    const refused = async (words: RegExp, ...args: string[]) => {
      const { code, stderr } = await daemon.docker(args);
      assert.equal(code, 1);
      assert.match(stderr, words);
    };
    const other =
      /small:arm was found but its platform \(linux\/arm\/v7\) does not match the specified platform \(linux\/s390x\)/;
    const asked = ['--platform', 'linux/s390x'];
    await refused(other, ...fields, ...asked, 'small:arm');
    await refused(other, 'history', ...asked, 'small:arm');
    await refused(other, 'save', ...asked, '-o', '/run/none.tar', 'small:arm');
    await refused(/operating system is not supported/, 'import', '--platform', 'macos', await busyboxTar());
    await refused(/"nintendo64": unknown operating system/, 'import', '--platform', 'nintendo64', await busyboxTar());
    // A client pulls what is missing, so it must not hear of another reason.
    const created = await daemon.json('POST', '/v1.41/containers/create?platform=linux/s390x', { Image: 'small:arm' });
    assert.deepEqual([created.status, other.test(String(created.body['message']))], [404, true]);
    const create = (query: string) =>
      daemon.json('POST', `/v1.41/containers/create${query}`, { Image: 'small:arm', Cmd: ['true'] });
    const [meant, chance] = [await create('?platform=linux/arm'), await create('')];
    assert.deepEqual(meant.body['Warnings'], []);
    assert.match(
      String(chance.body['Warnings']),
      /image's platform \(linux\/arm\/v7\) does not match the detected host platform \(linux\/\w+\) and no/,
    );
    await daemon.ok('rm', String(meant.body['Id']), String(chance.body['Id']));
    await daemon.ok('save', '--platform', 'linux/arm/v7', '-o', '/run/both.tar', 'small:arm', 'small:arm');
    await daemon.ok('save', '-o', '/run/both.tar', 'small:arm', 'busybox');
    await daemon.ok('rmi', 'small:arm');
    assert.equal(await daemon.ok('load', '--platform', 'linux/arm', '-i', '/run/both.tar'), 'Loaded image: small:arm');
    await daemon.ok('rmi', 'small:arm');
  });

  test('an imported stream comes from standard input too', async () => {
    assert.equal(
      (
        await daemon.host.exec(['sh', '-c', `docker import - piped:latest < ${await busyboxTar()}`], {
          env: daemon.env(),
        })
      ).code,
      0,
    );
    assert.equal(await daemon.ok('run', '--rm', 'piped', 'echo', 'ok'), 'ok');
    await daemon.ok('rmi', 'piped');
  });

  test('save and load carry an image from one daemon to another', async () => {
    await daemon.ok('tag', 'busybox', 'carried:v2');
    const id = await daemon.ok('image', 'inspect', '-f', '{{.Id}}', 'carried:v2');
    await daemon.ok('save', '-o', '/run/carried.tar', 'carried:v2');
    await using other = await TestDaemon.create();
    await other.ok('rmi', 'busybox');
    assert.equal(await other.ok('images', '-q'), '');
    copyFileSync(daemon.host.path('/run/carried.tar'), other.host.path('/run/carried.tar'));
    assert.equal(await other.ok('load', '-i', '/run/carried.tar'), 'Loaded image: carried:v2');
    assert.equal(await other.ok('image', 'inspect', '-f', '{{.Id}}', 'carried:v2'), id);
    assert.equal(await other.ok('run', '--rm', 'carried:v2', 'echo', 'here'), 'here');
    await daemon.ok('rmi', 'carried:v2');
  });

  test('images, tag, rmi and its refusals', async () => {
    await daemon.ok('tag', 'busybox', 'registry.test:5000/team/tool:1');
    const rows = await daemon.ok('images', '--format', '{{.Repository}}:{{.Tag}}');
    assert.deepEqual(rows.split('\n').sort(), ['busybox:latest', 'registry.test:5000/team/tool:1']);
    assert.equal(await daemon.ok('rmi', 'registry.test:5000/team/tool:1'), 'Untagged: registry.test:5000/team/tool:1');
    await daemon.ok('run', '-d', '--name', 'user', 'busybox', 'sleep', '600');
    const users = async (version: string) =>
      (JSON.parse((await daemon.api('GET', `/v${version}/images/json`)).body) as { Containers: number }[]).map(
        ({ Containers }) => Containers,
      );
    assert.deepEqual([await users('1.51'), await users('1.50')], [[1], [-1]]);
    const refused = await daemon.docker(['rmi', 'busybox']);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /conflict: unable to remove repository reference "busybox" \(must force\) - container [0-9a-f]{12} is using its referenced image/,
    );
    await daemon.ok('rm', '-f', 'user');
    const bad = await daemon.docker(['tag', 'busybox', 'UPPER']);
    assert.match(bad.stderr, /repository name \(library\/UPPER\) must be lowercase|repository name must be lowercase/);
    assert.match((await daemon.docker(['rmi', 'nosuch'])).stderr, /No such image: nosuch:latest/);
  });

  test('an image that is not here is asked for, and who did not answer is told', async () => {
    const missing = await daemon.docker(['run', '--rm', '127.0.0.1:1/nowhere/image']);
    assert.equal(missing.code, 125);
    assert.match(missing.stderr, /Unable to find image '127.0.0.1:1\/nowhere\/image:latest' locally/);
    assert.match(missing.stderr, /dial tcp 127.0.0.1:1: connect: connection refused/);
  });
});
