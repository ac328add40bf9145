import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { SOCKET, TestDaemon } from '../daemon.ts';

/** Each of these was once answered otherwise than dockerd 28.5.2 answers it. */
describe('answers are Docker’s', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  test('a paused container can be stopped, killed, restarted and removed by force', async () => {
    await daemon.ok('run', '-d', '--name', 'frozen', 'busybox', 'sleep', '600');
    await daemon.ok('pause', 'frozen');
    await daemon.ok('stop', '-t', '1', 'frozen');
    assert.match(await daemon.ok('ps', '-a', '--format', '{{.Status}}'), /^Exited \(137\)/);
    await daemon.ok('start', 'frozen');
    await daemon.ok('pause', 'frozen');
    await daemon.ok('kill', 'frozen');
    await daemon.ok('start', 'frozen');
    await daemon.ok('pause', 'frozen');
    await daemon.ok('restart', '-t', '0', 'frozen');
    assert.equal(await daemon.inspect('frozen', '{{.State.Status}}'), 'running');
    await daemon.ok('pause', 'frozen');
    await daemon.ok('rm', '-f', 'frozen');
  });

  test('a start that fails is told once', async () => {
    const { code, stderr } = await daemon.docker(['run', '--name', 'broken', 'busybox', 'nosuch']);
    assert.equal(code, 127);
    assert.equal(stderr.match(/executable file not found/g)?.length, 1);
    await daemon.ok('rm', 'broken');
  });

  test('exec: no TERM without a terminal, an unknown user is an error of the daemon, what has ended is off the list', async () => {
    await daemon.ok('run', '-dt', '--name', 'shell', 'busybox', 'sh');
    assert.doesNotMatch(await daemon.ok('exec', 'shell', 'env'), /TERM/);
    assert.match(await daemon.ok('exec', '-t', 'shell', 'env'), /^TERM=xterm\r?$/m);
    const { code, stdout, stderr } = await daemon.docker(['exec', '-u', 'nosuch', 'shell', 'true']);
    const reason = 'Error response from daemon: unable to find user nosuch: no matching entries in passwd file\n';
    assert.deepEqual({ code, stdout, stderr }, { code: 1, stdout: '', stderr: reason });
    assert.equal(await daemon.ok('inspect', '-f', '{{.ExecIDs}}', 'shell'), '[]');
    assert.equal(await daemon.ok('exec', 'shell', 'ls', '/.dockerenv'), '/.dockerenv');
    await daemon.ok('run', '-d', '--name', 'guest', '--network', 'container:shell', 'busybox', 'sleep', '600');
    const hostname = ['inspect', '-f', '{{.Config.Hostname}}'];
    assert.equal(await daemon.ok(...hostname, 'guest'), await daemon.ok(...hostname, 'shell'));
    await daemon.ok('rm', '-f', 'guest', 'shell');
  });

  test('exec: a size may come early, but not when the container does not run', async () => {
    await daemon.ok('run', '-d', '--name', 'sized', 'busybox', 'sleep', '600');
    const { body } = await daemon.json('POST', '/containers/sized/exec', { Cmd: ['true'], Tty: true });
    const resize = `/exec/${body['Id']}/resize?h=40&w=40`;
    assert.equal((await daemon.api('POST', resize)).status, 200);
    const Cmd = ['stty', 'size'];
    const asked = await daemon.json('POST', '/containers/sized/exec', {
      Cmd,
      Tty: true,
      AttachStdout: true,
      ConsoleSize: [57, 123],
    });
    assert.match((await daemon.api('POST', `/exec/${asked.body['Id']}/start`, { Tty: true })).body, /^57 123\r\n$/);
    await daemon.ok('kill', 'sized');
    assert.match(String(await daemon.refusal('POST', resize)), /^409,.* is not running$/);
    await daemon.ok('rm', 'sized');
  });

  test('a terminal has a size while its container runs', async () => {
    const id = await daemon.ok('create', '--name', 'sized', '-t', 'busybox', 'sleep', '600');
    const resize = () => daemon.refusal('POST', '/containers/sized/resize?h=40&w=50');
    assert.deepEqual(await resize(), [409, `container ${id} is not running`]);
    await daemon.ok('start', 'sized');
    assert.deepEqual(await resize(), [200, undefined]);
    assert.equal(await daemon.ok('exec', 'sized', 'sh', '-c', 'stty size </proc/1/fd/0'), '40 50');
    const until = await daemon.now();
    const resized = ['events', '--since', '0', '--until', until, '--filter', 'event=resize'];
    const told = await daemon.ok(...resized, '--format', '{{json .Actor.Attributes}}');
    assert.deepEqual(JSON.parse(told), { height: '40', image: 'busybox', name: 'sized', width: '50' });
    await daemon.ok('kill', 'sized');
    assert.deepEqual(await resize(), [409, `container ${id} is not running`]);
    await daemon.ok('rm', 'sized');
  });

  test('exec: the exit code is there when the stream ends', async () => {
    await daemon.ok('run', '-d', '--name', 'busy', 'busybox', 'sleep', '600');
    for (let i = 0; i < 20; i++) assert.equal((await daemon.docker(['exec', 'busy', 'sh', '-c', 'exit 3'])).code, 3);
    await daemon.ok('rm', '-f', 'busy');
  });

  test('exec: an input that ends at once is heard to end', async () => {
    await daemon.ok('run', '-d', '--name', 'busy', 'busybox', 'sleep', '600');
    for (let i = 0; i < 5; i++) {
      assert.equal((await daemon.docker(['exec', '-i', 'busy', 'cat'], { input: '' })).code, 0);
    }
    await daemon.ok('rm', '-f', 'busy');
  });

  test('a name without a tag is saved with all its tags', async () => {
    await daemon.ok('tag', 'busybox', 'many:1');
    await daemon.ok('tag', 'busybox', 'many:2');
    await daemon.ok('save', '-o', '/run/many.tar', 'many');
    await daemon.ok('rmi', 'many:1', 'many:2');
    assert.equal(await daemon.ok('load', '-i', '/run/many.tar'), 'Loaded image: many:1\nLoaded image: many:2');
    assert.equal(await daemon.ok('images', '--format', '{{.Tag}}', 'many'), '1\n2');
    await daemon.ok('rmi', 'many:1', 'many:2');
    const damaged = await daemon.docker(['load'], { input: 'no archive' });
    assert.deepEqual([damaged.code, damaged.stderr], [1, 'unexpected EOF\n']);
    const missing = await daemon.docker(['save', '-o', '/run/many.tar', 'busybox', 'nosuch']);
    assert.match(missing.stderr, /^Error response from daemon: No such image: nosuch/);
  });

  test('an address that is not the host’s', async () => {
    const { code, stderr } = await daemon.docker(['run', '--rm', '-p', '203.0.113.9::80', 'busybox', 'true']);
    assert.equal(code, 125);
    assert.match(stderr, /failed to bind host port for 203\.0\.113\.9:.*: cannot assign requested address/);
  });

  test('signals nobody knows', async () => {
    const refused = async (...args: string[]) => (await daemon.docker(args)).stderr.split('\n')[0];
    const prefix = 'Error response from daemon: ';
    await daemon.ok('run', '-d', '--name', 'deaf', 'busybox', 'sleep', '600');
    assert.equal(
      await refused('kill', '-s', 'foo', 'deaf'),
      `${prefix}cannot kill container: deaf: invalid signal: foo`,
    );
    assert.equal(
      await refused('stop', '-s', 'foo', 'deaf'),
      `${prefix}cannot stop container: deaf: invalid signal: foo`,
    );
    assert.equal(await refused('create', '--stop-signal', 'foo', 'busybox'), `${prefix}invalid signal: foo`);
    assert.equal(await refused('kill', 'nosuch'), `${prefix}cannot kill container: nosuch: No such container: nosuch`);
    await daemon.ok('rm', '-f', 'deaf');
  });

  test('a network with a slash in its name, and a gateway nobody named', async () => {
    await daemon.ok('network', 'create', '--subnet', '10.8.0.0/24', 'a/b');
    const config = ['network', 'inspect', '-f', '{{json .IPAM.Config}}'];
    assert.equal(await daemon.ok(...config, 'a/b'), '[{"Subnet":"10.8.0.0/24"}]');
    await daemon.ok('run', '-d', '--name', 'there', '--network', 'a/b', 'busybox', 'sleep', '600');
    assert.equal(
      await daemon.ok('inspect', '-f', '{{(index .NetworkSettings.Networks "a/b").Gateway}}', 'there'),
      '10.8.0.1',
    );
    await daemon.ok('network', 'disconnect', 'a/b', 'there');
    await daemon.ok('network', 'connect', 'a/b', 'there');
    await daemon.ok('rm', '-f', 'there');
    await daemon.ok('network', 'rm', 'a/b');
    await daemon.ok('network', 'create', '--subnet', '10.8.0.0/24', '--gateway', '10.8.0.9', 'named');
    assert.equal(await daemon.ok(...config, 'named'), '[{"Subnet":"10.8.0.0/24","Gateway":"10.8.0.9"}]');
    await daemon.ok('network', 'rm', 'named');
  });

  test('who asks for an upgrade by one header alone gets it, with input', async () => {
    await daemon.ok('run', '-d', '-i', '--name', 'echoing', 'busybox', 'cat');
    const body = '{}';
    for (const request of [
      'POST /containers/echoing/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\n\r\n',
      `POST /containers/echoing/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    ]) {
      const socket = connect(daemon.host.path(SOCKET));
      socket.write(request);
      assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 101 UPGRADED\r\n/);
      socket.write('GET / HTTP/1.1\r\n\r\n');
      assert.match(String(await once(socket, 'data')), /GET \/ HTTP/);
      socket.destroy();
    }
    await daemon.ok('rm', '-f', 'echoing');
  });

  test('an exec that was not started ends with its container’s run, one that runs is remembered', async () => {
    await daemon.ok('run', '-d', '--name', 'rerun', 'busybox', 'sleep', '600');
    const create = async () =>
      String((await daemon.json('POST', '/containers/rerun/exec', { Cmd: ['sleep', '600'] })).body['Id']);
    const [waiting, running] = [await create(), await create()];
    const start = async (id: string) => (await daemon.api('POST', `/exec/${id}/start`, { Detach: true })).status;
    assert.equal(await start(running), 200);
    await daemon.ok('restart', '-t', '0', 'rerun');
    assert.equal(await start(waiting), 404);
    const { status, body } = await daemon.json('GET', `/exec/${running}/json`);
    assert.deepEqual([status, body['Running'], body['ExitCode']], [200, false, 137]);
    await daemon.ok('rm', '-f', 'rerun');
  });

  test('events since 0 are all that is remembered; an image’s are told by the name users know', async () => {
    await daemon.ok('tag', 'busybox', 'other');
    await daemon.ok('rmi', 'other');
    const until = await daemon.now();
    const tags = ['events', '--since', '0', '--until', until, '--filter', 'event=tag', '--filter', 'nosuch=filter'];
    assert.match(await daemon.ok(...tags, '--format', '{{.Actor.Attributes.name}}'), /^other:latest$/m);
    // Who says an end alone means all until then.
    const all = ['events', '--until', until, '--filter', 'event=tag', '--format', '{{.Actor.Attributes.name}}'];
    assert.match(await daemon.ok(...all), /^other:latest$/m);
    const { stderr } = await daemon.docker(['events', '--since', '2000000000', '--until', '1000000000']);
    assert.match(stderr, /`since` time \(2000000000\) cannot be after `until` time \(1000000000\)/);
  });

  test('an image’s events are found by its labels, as long as it is there', async () => {
    const since = await daemon.now();
    await daemon.ok('create', '--name', 'labelled', 'busybox');
    await daemon.ok('commit', '--change', 'LABEL team=net', 'labelled', 'labelled:1');
    await daemon.ok('tag', 'labelled:1', 'labelled:2');
    await daemon.ok('save', '-o', '/run/labelled.tar', 'labelled:1');
    await daemon.ok('rmi', 'labelled:1', 'labelled:2');
    const found = ['create', 'tag', 'tag', 'save', 'untag', 'untag'];
    assert.deepEqual(await daemon.told(since, ['type=image', 'label=team=net']), found);
    assert.deepEqual(await daemon.told(since, ['type=image']), [...found, 'delete']);
    await daemon.ok('rm', 'labelled');
  });
});
