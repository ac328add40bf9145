import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

/** Associations, for which the kernel must have SCTP (RFC 9260). What answers says whom it sees. */
describe('sctp', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.ok('network', 'create', 'app');
    await daemon.ok(
      'run',
      '-d',
      '--name',
      'server',
      '--network',
      'app',
      '-p',
      '36412:5000/sctp',
      'busybox',
      'sleep',
      '9999',
    );
    await daemon.ok('run', '-d', '--name', 'client', '--network', 'app', 'busybox', 'sleep', '9999');
    await daemon.inside('server', ['socat', 'SCTP4-LISTEN:5000,fork,reuseaddr', 'SYSTEM:echo $SOCAT_PEERADDR']);
  });
  after(() => daemon[Symbol.asyncDispose]());

  const ask = (address: string, port: number) => ['socat', '-u', `SCTP4:${address}:${port},connect-timeout=5`, '-'];
  const addressOf = (name: string) => daemon.inspect(name, '{{.NetworkSettings.Networks.app.IPAddress}}');
  const fromClient = async (address: string, port: number) => {
    const pid = await daemon.inspect('client', '{{.State.Pid}}');
    return daemon.host.exec(['nsenter', '-t', pid, '-n', ...ask(address, port)]);
  };

  test('an association from the LAN to a published port, with the client’s address', async () => {
    const lan = () => daemon.host.lan(ask('192.0.2.2', 36412));
    await eventually('the server answers', async () => (await lan()).stdout === '192.0.2.1\n');
  });

  test('from the host, by its address and by 127.0.0.1', async () => {
    for (const address of ['192.0.2.2', '127.0.0.1']) {
      const { stdout, stderr } = await daemon.host.exec(ask(address, 36412));
      assert.match(stdout, /^(172\.18\.0\.1|192\.0\.2\.2)\n$/, stderr);
    }
  });

  test('between containers, by the own port and by the published one', async () => {
    const own = await fromClient(await addressOf('server'), 5000);
    assert.equal(own.stdout, `${await addressOf('client')}\n`, own.stderr);
    const turned = await fromClient('192.0.2.2', 36412);
    assert.match(turned.stdout, /^172\.18\.0\.1\n$/, turned.stderr);
  });

  test('no program of the host can take the port, and it answers while there is no daemon', async () => {
    const taken = await daemon.host.exec(['socat', 'SCTP4-LISTEN:36412', 'PIPE']);
    assert.match(taken.stderr, /Address already in use/);
    await daemon.stop('SIGKILL');
    const { stdout, stderr } = await daemon.host.lan(ask('192.0.2.2', 36412));
    assert.equal(stdout, '192.0.2.1\n', stderr);
    await daemon.start();
  });
});
