import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Json, TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

const SLEEP = ['busybox', 'sleep', '600'];

describe('restart policies and the end of the daemon or the machine', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const inspect = (name: string, format = '{{.State.Status}}') => daemon.inspect(name, format);
  /** "running 0": its status and how often it was started again; by the API, because it is asked again and again */
  const now = async (name: string) => {
    const { body } = await daemon.json('GET', `/containers/${name}/json`);
    return `${(body['State'] as Json)['Status']} ${body['RestartCount']}`;
  };
  const becomes = (name: string, wanted: RegExp) =>
    eventually(`${name} is ${wanted}`, async () => wanted.test(await now(name)));
  const run = (name: string, policy: string, command = SLEEP) =>
    daemon.ok('run', '-d', '--name', name, '--restart', policy, ...command);

  // All but the machine's first processes, this shell and who started it are killed, and gone when it ends.
  const killAll = `[ "$(hostname)" = testhost ] || exit 1
    while :; do
      left=no
      for p in $(ls /proc | grep -E '^[0-9]+$'); do
        [ $p = 1 ] || [ $p = $$ ] || [ $p = $PPID ] || grep -q infinity /proc/$p/cmdline || { kill -9 $p && left=yes; }
      done 2>/dev/null
      [ $left = yes ] || exit 0
      sleep 0.1
    done`;
  /** What a power cut leaves: files, and nothing that ran or was mounted. Only the test machine's own first process stays. */
  const reboot = async () => {
    await daemon.stop('SIGKILL');
    await daemon.host.shell(killAll);
    await daemon.host.shell(
      'for m in $(cut -d" " -f2 /proc/mounts | grep ^/run/fairway/ | sort -r); do umount -l $m; done; rm -rf /run/fairway; mkdir /run/fairway',
    );
  };

  test('the daemon is killed: who runs goes on, who ended meanwhile or waited is started again', async () => {
    await run('steady', 'always');
    await run('short', 'always', ['busybox', 'sh', '-c', 'until [ -e /run/stop ]; do sleep 0.1; done; exit 1']);
    await run('waiting', 'unless-stopped', ['busybox', 'false']);
    const [steady, short] = [await inspect('steady', '{{.State.Pid}}'), await inspect('short', '{{.State.Pid}}')];
    await becomes('waiting', /^restarting [5-9]$/);
    await daemon.stop('SIGKILL');
    await daemon.host.out(['kill', '-9', short]);
    await daemon.start();
    assert.equal(await inspect('steady', '{{.State.Pid}} {{.RestartCount}}'), `${steady} 0`);
    await becomes('short', /^running 1$/);
    await becomes('waiting', / [1-9]/);
    await daemon.ok('rm', '-f', 'steady', 'short', 'waiting');
  });

  test('the machine goes down: each policy, by hand or not, with ports and shared networks', async () => {
    await daemon.ok('network', 'create', 'app');
    const web = ['--network', 'app', '-p', '8080:80', 'busybox', 'httpd', '-f', '-h', '/var/www'];
    await run('always', 'always', web);
    await daemon.ok('run', '-d', '--name', 'sidecar', '--restart', 'always', '--network', 'container:always', ...SLEEP);
    for (const policy of ['always', 'unless-stopped', 'on-failure']) await run(`stopped-${policy}`, policy);
    for (const policy of ['no', 'unless-stopped', 'on-failure']) await run(`up-${policy}`, policy);
    await daemon.ok('create', '--name', 'never', '--restart', 'always', ...SLEEP);
    await daemon.ok('stop', '-t', '0', 'stopped-always', 'stopped-unless-stopped', 'stopped-on-failure');
    await reboot();
    await daemon.start();
    for (const name of ['always', 'sidecar', 'stopped-always', 'up-unless-stopped', 'up-on-failure'])
      await becomes(name, /^running/);
    assert.equal(await inspect('up-no', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 255');
    assert.equal(await inspect('stopped-unless-stopped'), 'exited');
    assert.equal(await inspect('stopped-on-failure'), 'exited');
    assert.equal(await inspect('never'), 'created');
    assert.equal(await inspect('up-unless-stopped', '{{.RestartCount}}'), '0');
    const page = ['curl', '-s', '-m', '20', 'http://192.0.2.2:8080/'];
    await eventually('the port answers', async () => (await daemon.host.lan(page)).code === 0);
    await daemon.ok('exec', 'sidecar', 'wget', '-qO-', 'http://127.0.0.1/');
    await daemon.ok('rm', '-f', ...(await daemon.ok('ps', '-aq')).split('\n'));
    await daemon.ok('network', 'rm', 'app');
  });

  test('--live-restore=false: containers stop with the daemon and come back by their policy', async () => {
    await daemon.stop('SIGTERM');
    await daemon.start(['--live-restore=false']);
    const trap = (code: number) => [
      '--stop-timeout',
      '60',
      'busybox',
      'sh',
      '-c',
      `trap "exit ${code}" TERM; touch /ready; while :; do sleep 0.1; done`,
    ];
    await run('coming', 'unless-stopped', trap(0));
    await run('staying', 'no', trap(7));
    for (const name of ['coming', 'staying']) {
      await eventually(
        `${name} is ready`,
        async () => (await daemon.docker(['exec', name, 'test', '-e', '/ready'])).code === 0,
      );
    }
    await daemon.stop('SIGTERM');
    await daemon.start();
    await becomes('coming', /^running/);
    assert.equal(await inspect('staying', '{{.State.Status}} {{.State.ExitCode}}'), 'exited 7');
    await daemon.ok('rm', '-f', 'coming', 'staying');
  });
});
