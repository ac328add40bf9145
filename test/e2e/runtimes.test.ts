import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually, type TestHost } from '../host.ts';

const FILE = '/run/daemon.json';
const CRUN = { path: '/usr/bin/crun' };
const GONE = { path: '/nosuch/crun' };

const write = (host: TestHost, config: unknown) =>
  host.out(['sh', '-c', `cat >${FILE}`], { input: JSON.stringify(config) });

/** crun 1.8 does not run where there is a hybrid of cgroup v1 and v2: this machine then has v1 alone. */
async function prepare(host: TestHost): Promise<void> {
  await host.shell('if [ -d /sys/fs/cgroup/unified ]; then umount /sys/fs/cgroup/unified; fi');
  await write(host, { runtimes: { crun: CRUN, gone: GONE } });
}

describe('containers of other runtimes than runc', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create(['--config-file', FILE], prepare);
  });
  after(() => daemon[Symbol.asyncDispose]());

  const run = (...args: string[]) => daemon.docker(['run', '--rm', '--runtime', 'crun', ...args]);
  const runtimeOf = (name: string) => daemon.ok('inspect', '-f', '{{.HostConfig.Runtime}}', name);
  /** Where its runtime keeps its state */
  const tracked = async (id: string) =>
    daemon.host.shell(`ls -d /run/fairway/runtimes/*/${id} /run/fairway/runc/*/${id} 2>/dev/null || true`);

  test('run: by the runtime, on a network, with output, input, exit code and terminal', async () => {
    const id = await daemon.ok('run', '-d', '--name', 'other', '--runtime', 'crun', 'busybox', 'sleep', '600');
    assert.match(await tracked(id), /^\/run\/fairway\/runtimes\/\w+\/[0-9a-f]{64}$/);
    assert.equal(await runtimeOf('other'), 'crun');
    await daemon.ok('network', 'create', 'net');
    const serve = ['sh', '-c', 'echo hello >/tmp/x; httpd -f -h /tmp'];
    await daemon.ok('run', '-d', '--name', 'server', '--network', 'net', '--runtime', 'crun', 'busybox', ...serve);
    const ask = 'until wget -qO- http://server/x; do sleep 0.1; done';
    const asked = await run('--network', 'net', 'busybox', 'sh', '-c', ask);
    assert.equal(asked.stdout, 'hello\n', asked.stderr);
    const told = await daemon.docker(
      ['run', '--rm', '-i', '--runtime', 'crun', 'busybox', 'sh', '-c', 'cat; echo bad >&2; exit 7'],
      {
        input: 'in',
      },
    );
    assert.deepEqual([told.code, told.stdout, told.stderr], [7, 'in', 'bad\n']);
    assert.match((await run('-t', 'busybox', 'tty')).stdout, /\/dev\/(pts\/0|console)/);
    const limited = await run(
      '--memory',
      '64m',
      '--pids-limit',
      '50',
      'busybox',
      'cat',
      '/sys/fs/cgroup/memory/memory.limit_in_bytes',
      '/sys/fs/cgroup/pids/pids.max',
    );
    assert.equal(limited.stdout, '67108864\n50\n', limited.stderr);
    await daemon.ok('rm', '-f', 'other', 'server');
    assert.equal(await tracked(id), '');
  });

  test('what cannot run, in words from which the CLI takes its exit code', async () => {
    const ended = async (...args: string[]) => (await run('busybox', ...args)).code;
    assert.deepEqual([await ended('nosuch'), await ended('/nosuch/x'), await ended('/etc/passwd')], [127, 127, 126]);
    const gone = await daemon.docker(['run', '--rm', '--runtime', 'gone', 'busybox', 'true']);
    assert.match(gone.stderr, /\/nosuch\/crun: no such file or directory/);
    const unknown = await daemon.docker(['run', '--rm', '--runtime', 'kata', 'busybox', 'true']);
    assert.equal(unknown.code, 125);
    assert.match(unknown.stderr, /unknown or invalid runtime name: kata/);
    assert.equal(await daemon.ok('ps', '-aq'), '');
  });

  test('exec, pause, top, stats, stop and kill, before and after the daemon is killed and started again', async () => {
    const script = "trap 'echo got TERM; exit 3' TERM; while :; do sleep 0.05; done";
    await daemon.ok('run', '-d', '--name', 'long', '--runtime', 'crun', 'busybox', 'sh', '-c', script);
    await daemon.ok('run', '-d', '--name', 'doomed', '--runtime', 'crun', 'busybox', 'sleep', '600');
    const works = async () => {
      assert.equal(await daemon.ok('exec', 'long', 'echo', 'here'), 'here');
      const codes = [['sh', '-c', 'exit 5'], ['nosuch'], ['/etc/passwd']].map(
        async (command) => (await daemon.docker(['exec', 'long', ...command])).code,
      );
      assert.deepEqual(await Promise.all(codes), [5, 127, 126]);
      await daemon.ok('pause', 'long');
      await daemon.ok('unpause', 'long');
      assert.match(await daemon.ok('top', 'long'), /trap/);
      assert.match(
        await daemon.ok('stats', '--no-stream', '--format', '{{.PIDs}} {{.MemUsage}}', 'long'),
        /^[1-9].* \/ /,
      );
    };
    await works();
    await daemon.stop('SIGKILL');
    await daemon.start();
    await works();
    await daemon.ok('stop', 'long');
    assert.equal(await daemon.inspect('long', '{{.State.ExitCode}}'), '3');
    assert.equal(await daemon.ok('logs', 'long'), 'got TERM');
    await daemon.ok('start', 'long');
    await daemon.ok('kill', 'long', 'doomed');
    await eventually('both ended', async () => (await daemon.ok('ps', '-q')) === '');
    assert.equal(await daemon.inspect('doomed', '{{.State.ExitCode}}'), '137');
    await daemon.ok('rm', 'long', 'doomed');
    assert.equal(await daemon.host.shell('ls /run/fairway/runtimes/*'), '');
  });

  test('daemon.json: arguments, a default, and SIGHUP; a container keeps what it was created with', async () => {
    await daemon.ok('create', '--name', 'older', 'busybox', 'true');
    const crun = { ...CRUN, runtimeArgs: ['--cgroup-manager=cgroupfs'] };
    const chosen = (name: string) =>
      eventually('the default is another', async () => (await daemon.ok('info', '-f', '{{.DefaultRuntime}}')) === name);
    const reload = async (config: unknown) => {
      await write(daemon.host, config);
      await daemon.host.out(['kill', '-HUP', String(await daemon.pid())]);
    };
    await reload({ runtimes: { loud: crun }, 'default-runtime': 'loud' });
    await chosen('loud');
    const info = (await daemon.json('GET', '/info')).body;
    assert.deepEqual(info['Runtimes'], {
      loud: crun,
      'io.containerd.runc.v2': { path: 'runc' },
      runc: { path: 'runc' },
    });
    const id = await daemon.ok('run', '-d', '--name', 'plain', 'busybox', 'sleep', '600');
    assert.deepEqual([await runtimeOf('plain'), await runtimeOf('older')], ['loud', 'runc']);
    assert.match(await tracked(id), /\/runtimes\//);
    await reload({});
    await chosen('runc');
    await daemon.ok('stop', '-t', '0', 'plain');
    assert.deepEqual(await daemon.refusal('POST', '/containers/plain/start'), [
      400,
      'unknown or invalid runtime name: loud',
    ]);
    await daemon.ok('start', '-a', 'older');
    await daemon.ok('rm', 'plain', 'older');
  });
});
