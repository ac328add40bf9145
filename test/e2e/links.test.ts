import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

const SLEEP = ['busybox', 'sleep', '600'] as const;

describe('links on the default network', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create(['--live-restore=false']);
    await daemon.ok('run', '-d', '--name', 'db', '--expose', '5432', '-e', 'POSTGRES_USER=me', ...SLEEP);
    await daemon.ok('run', '-d', '--name', 'web', '--link', 'db:store', ...SLEEP);
  });
  after(() => daemon[Symbol.asyncDispose]());

  const address = (container: string) => daemon.inspect(container, '{{.NetworkSettings.IPAddress}}');
  const inHosts = (name: string) => daemon.ok('exec', 'web', 'sh', '-c', `grep -w ${name} /etc/hosts || true`);

  test('a link is a name in the hosts file, with the target’s own names', async () => {
    const id = await daemon.inspect('db', '{{.Config.Hostname}}');
    assert.equal(await inHosts('store'), `${await address('db')}\tstore ${id} db`);
    await daemon.ok('exec', 'web', 'ping', '-c', '1', '-W', '20', 'store');
  });

  test('and variables, also for what is executed later', async () => {
    const ip = await address('db');
    const env = (await daemon.ok('exec', 'web', 'env')).split('\n').filter((line) => line.startsWith('STORE_'));
    assert.deepEqual(env.sort(), [
      'STORE_ENV_POSTGRES_USER=me',
      'STORE_NAME=/web/store',
      `STORE_PORT=tcp://${ip}:5432`,
      `STORE_PORT_5432_TCP=tcp://${ip}:5432`,
      `STORE_PORT_5432_TCP_ADDR=${ip}`,
      'STORE_PORT_5432_TCP_PORT=5432',
      'STORE_PORT_5432_TCP_PROTO=tcp',
    ]);
  });

  test('inspect and ps show it, and it is a name of the target', async () => {
    assert.equal(await daemon.ok('inspect', '-f', '{{json .HostConfig.Links}}', 'web'), '["/db:/web/store"]');
    assert.equal(await daemon.ok('ps', '--no-trunc', '--filter', 'name=db', '--format', '{{.Names}}'), 'db,web/store');
    assert.equal(await daemon.ok('inspect', '-f', '{{.Name}}', 'web/store'), '/db');
  });

  test('the line follows the target to its new address, and through a rename', async () => {
    const before = await address('db');
    await daemon.ok('stop', '-t', '0', 'db');
    await daemon.ok('run', '-d', '--name', 'squatter', ...SLEEP);
    await daemon.ok('start', 'db');
    assert.notEqual(await address('db'), before);
    assert.match(await inHosts('store'), new RegExp(`^${await address('db')}\tstore `));
    await daemon.ok('rename', 'db', 'database');
    assert.match(await inHosts('store'), /\tstore \w+ database$/);
    await daemon.ok('rename', 'database', 'db');
    assert.equal((await inHosts('store')).split('\n').length, 1);
  });

  test('a target that does not run keeps its friend from starting', async () => {
    await daemon.ok('create', '--name', 'idle', ...SLEEP);
    const failed = await daemon.docker(['run', '-d', '--name', 'eager', '--link', 'idle:lazy', ...SLEEP]);
    assert.equal(failed.code, 125);
    assert.match(failed.stderr, /daemon: Cannot link to a non running container: \/idle AS \/eager\/lazy/);
    const missing = await daemon.docker(['create', '--link', 'nobody:x', ...SLEEP]);
    assert.match(missing.stderr, /could not get container for nobody: No such container: nobody/);
    const host = await daemon.docker(['create', '--network', 'host', '--link', 'db:x', ...SLEEP]);
    assert.match(host.stderr, /host type networking can't be used with links/);
    await daemon.ok('rm', 'eager', 'idle');
  });

  test('rm --link strikes it off, the containers stay', async () => {
    await daemon.ok('run', '-d', '--name', 'brief', '--link', 'db:one', '--link', 'db:two', ...SLEEP);
    await daemon.ok('rm', '--link', 'brief/one');
    assert.equal(await daemon.ok('inspect', '-f', '{{json .HostConfig.Links}}', 'brief'), '["/db:/brief/two"]');
    const hosts = await daemon.ok('exec', 'brief', 'cat', '/etc/hosts');
    assert.ok(!/\tone /.test(hosts) && /\ttwo /.test(hosts), hosts);
    const plain = await daemon.docker(['rm', '--link', 'brief']);
    assert.match(plain.stderr, /Conflict, cannot remove the default link name of the container/);
    await daemon.ok('rm', '-f', 'brief');
  });

  test('after the daemon’s end, targets that come back come before who has links to them', async () => {
    await daemon.ok('run', '-d', '--restart', 'always', '--name', 'first', ...SLEEP);
    await daemon.ok('run', '-d', '--restart', 'always', '--name', 'last', '--link', 'first:one', ...SLEEP);
    await daemon.stop('SIGTERM');
    await daemon.start();
    const running = async (name: string) => (await daemon.inspect(name, '{{.State.Running}}')) === 'true';
    await eventually('both are back', async () => (await running('first')) && (await running('last')));
  });
});

describe('links where containers may not reach each other', () => {
  test('with icc=false a link reaches the ports its target exposes, and nothing else does', async () => {
    await using daemon = await TestDaemon.create(['--icc=false']);
    const serve = 'while true; do echo hello | nc -l -p 80; done & while true; do echo no | nc -l -p 81; done';
    await daemon.ok('run', '-d', '--name', 'db', '--expose', '80', 'busybox', 'sh', '-c', serve);
    await daemon.ok('run', '-d', '--name', 'friend', '--link', 'db', ...SLEEP);
    await daemon.ok('run', '-d', '--name', 'stranger', ...SLEEP);
    const address = () => daemon.inspect('db', '{{.NetworkSettings.IPAddress}}');
    const says = async (from: string, port: string) =>
      (await daemon.docker(['exec', from, 'timeout', '2', 'nc', await address(), port])).stdout;
    await eventually('the friend is answered', async () => (await says('friend', '80')) === 'hello\n');
    assert.equal(await says('stranger', '80'), '');
    assert.equal(await says('friend', '81'), '');
    await daemon.ok('restart', '-t', '0', 'db');
    await eventually('the friend is answered again', async () => (await says('friend', '80')) === 'hello\n');
    await daemon.host.shell('nft flush ruleset');
    await eventually('and after a flush', async () => (await says('friend', '80')) === 'hello\n');
    assert.equal(await says('stranger', '80'), '');
    await daemon.ok('rm', '--link', 'friend/db');
    assert.equal(await says('friend', '80'), '');
  });
});
