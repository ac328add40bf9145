import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

/** A request that gives up, also as PID 1 of a container, which SIGTERM does not end. */
const fetch = (url: string) => ['sh', '-c', `timeout 30 wget -qO- ${url}; exit $?`];

describe('the daemon is killed and started again', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const restart = async (signal: 'SIGKILL' | 'SIGTERM') => {
    await daemon.stop(signal);
    await daemon.start();
  };
  const served = async (where: 'lan' | 'exec', url: string) =>
    (await daemon.host[where](['curl', '-s', '-m', '20', url])).code === 0;

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    test(`${signal}: containers, names, ports, connections and output go on`, async () => {
      await daemon.ok('network', 'create', 'app');
      await daemon.ok(
        'run',
        '-d',
        '--name',
        'web',
        '--network',
        'app',
        '-p',
        '8080:80',
        'busybox',
        'httpd',
        '-f',
        '-h',
        '/var/www',
      );
      await daemon.ok(
        'run',
        '-d',
        '--name',
        'talker',
        '--network',
        'app',
        'busybox',
        'sh',
        '-c',
        'i=0; until [ -e /stop ]; do i=$((i+1)); echo line $i; sleep 0.01; done; echo end; exit 9',
      );
      await eventually('the port answers', () => served('lan', 'http://192.0.2.2:8080/'));
      const pid = await daemon.inspect('web', '{{.State.Pid}}');
      const ports = await daemon.ok('port', 'web');
      await daemon.stop(signal);
      assert.ok(await served('lan', 'http://192.0.2.2:8080/'), 'while the daemon is down');
      assert.ok(await served('exec', 'http://127.0.0.1:8080/'), 'while the daemon is down, by loopback');
      await daemon.start();
      assert.equal(await daemon.inspect('web', '{{.State.Pid}}'), pid);
      assert.equal(await daemon.ok('port', 'web'), ports);
      assert.ok(await served('lan', 'http://192.0.2.2:8080/'));
      await daemon.ok('exec', 'talker', ...fetch('http://web/'));
      await daemon.ok('exec', 'talker', 'touch', '/stop');
      assert.equal(await daemon.ok('wait', 'talker'), '9');
      const lines = (await daemon.ok('logs', 'talker')).split('\n');
      assert.deepEqual(
        lines,
        lines.map((_, i) => (i + 1 < lines.length ? `line ${i + 1}` : 'end')),
      );
      await daemon.ok('rm', '-f', 'web', 'talker');
      await daemon.ok('network', 'rm', 'app');
    });
  }

  test('what ended meanwhile is told, and --rm is kept', async () => {
    const untilTold = [
      '-v',
      '/run/told:/told',
      'busybox',
      'sh',
      '-c',
      'until [ -e /told/end ]; do sleep 0.02; done; exit 5',
    ];
    await daemon.ok('run', '-d', '--name', 'ending', ...untilTold);
    await daemon.ok('run', '-d', '--rm', '--name', 'vanishing', ...untilTold);
    await daemon.ok('create', '--name', 'waiting', 'busybox', 'true');
    await daemon.ok('volume', 'create', 'kept');
    await daemon.ok('volume', 'create', 'cut');
    const pids = await daemon.ok('inspect', '-f', '{{.State.Pid}}', 'ending', 'vanishing');
    await daemon.stop('SIGKILL');
    // As far as "docker volume rm" came.
    await daemon.host.shell(`cd /run/data/volumes; mv cut .removed-${hash('sha256', 'cut')}-0; touch /run/told/end`);
    await eventually(
      'both have ended',
      async () => (await daemon.host.exec(['ps', '-p', pids.replace('\n', ',')])).code !== 0,
    );
    await daemon.start();
    assert.equal(await daemon.inspect('ending', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 5');
    assert.equal(await daemon.inspect('waiting', '{{.State.Status}}'), 'created');
    await eventually(
      '--rm took it away',
      async () => !(await daemon.ok('ps', '-a', '--format', '{{.Names}}')).includes('vanishing'),
    );
    await eventually('no sandbox is left', async () => (await daemon.host.shell('ls /run/fairway/netns')) === '');
    assert.equal(await daemon.ok('volume', 'ls', '-q'), 'kept');
    await eventually('its files are gone', async () => (await daemon.host.shell('ls -A /run/data/volumes')) === 'kept');
    await daemon.ok('volume', 'rm', 'kept');
    await daemon.ok('start', '-a', 'waiting');
    await daemon.ok('rm', 'ending', 'waiting');
  });

  test('what a containerd left that gave up half-way is taken away', async () => {
    const forgotten = await daemon.ok('run', '-d', '--name', 'forgotten', 'busybox', 'sleep', '1000');
    const idle = await daemon.ok('create', '--name', 'idle', 'busybox', 'true');
    await daemon.stop('SIGKILL');
    await daemon.host.shell(`cd /run/fairway/containerd; kill -9 $(cat containerd.pid)
      mv io.containerd.runtime.v2.task/fairway/${forgotten} aside
      for cgroup in $(find /sys/fs/cgroup -name ${forgotten}); do mkdir $(dirname $cgroup)/${idle}; done`);
    assert.notEqual(await daemon.host.shell(`find /sys/fs/cgroup -name ${idle}`), '');
    await daemon.start();
    assert.equal(await daemon.inspect('forgotten', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 255');
    await eventually(
      'the shim has ended',
      async () => (await daemon.host.exec(['pgrep', '-f', `shim.*[-]id ${forgotten}`])).code === 1,
    );
    await eventually(
      'cgroups are gone',
      async () => (await daemon.host.shell(`find /sys/fs/cgroup -name ${forgotten} -o -name ${idle}`)) === '',
    );
    await daemon.ok('start', 'forgotten');
    await daemon.ok('rm', '-f', 'forgotten', 'idle');
  });

  test('what containerd is still taking away is waited for before containers are started', async () => {
    const id = await daemon.ok('run', '-d', '--name', 'again', '--restart', 'always', 'busybox', 'sleep', '1000');
    await daemon.stop('SIGKILL');
    await daemon.host.shell(`kill -9 $(pgrep -f 'shim.*[-]id ${id}')`);
    // As containerd calls it; this one takes its time.
    const call = `-namespace fairway -address /run/fairway/containerd/containerd.sock -id ${id} delete`;
    const asShim = `exec -a containerd-shim-runc-v2 sh -c 'sleep 3; date +%s%N > /run/cleared' ${call}`;
    daemon.host.spawn(['bash', '-c', asShim]);
    await eventually('it runs', async () => (await daemon.host.exec(['pgrep', '-f', '[-]id .* delete'])).code === 0);
    await daemon.start();
    await eventually('it is back', async () => (await daemon.inspect('again', '{{.State.Status}}')) === 'running');
    const cleared = Number(await daemon.host.shell('cat /run/cleared')) / 1e6;
    assert.ok(Date.parse(await daemon.inspect('again', '{{.State.StartedAt}}')) > cleared);
    await daemon.ok('rm', '-f', 'again');
  });

  test('the network heals: what a stranger deletes comes back', async () => {
    await daemon.ok('run', '-d', '--name', 'web', '-p', '8085:80', 'busybox', 'httpd', '-f', '-h', '/var/www');
    await eventually('the port answers', () => served('lan', 'http://192.0.2.2:8085/'));
    await daemon.host.shell('nft flush ruleset');
    await eventually('the port answers after a flush', () => served('lan', 'http://192.0.2.2:8085/'));
    await daemon.host.shell('ip addr flush dev docker0');
    await eventually('docker0 has its address again', async () =>
      (await daemon.host.shell('ip -4 -o addr show docker0')).includes('172.17.0.1/16'),
    );
    const veth = await daemon.host.shell("ip -o link | sed -n 's/.*: \\(veth[0-9a-f]*\\).*/\\1/p' | head -1");
    await daemon.host.shell(`ip link set ${veth} nomaster down`);
    await eventually('the port answers after its link was taken away', () => served('lan', 'http://192.0.2.2:8085/'));
    await restart('SIGKILL');
    assert.ok(await served('lan', 'http://192.0.2.2:8085/'));
    const plan = [`${import.meta.dirname}/../../bin/fairway`, 'plan'];
    await eventually('all is done', async () => /nothing to do/i.test(await daemon.host.out(plan)));
    await daemon.ok('rm', '-f', 'web');
  });
});
