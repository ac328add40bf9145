import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

describe('docker update, and running out of memory', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const inspect = (name: string, format: string) => daemon.inspect(name, format);

  /** The memory limit of the container's cgroup, which on v1 is found below the hierarchy's root. */
  const memoryLimit = async (name: string) => {
    const own = await daemon.host.shell(
      `sed -n 's/^[0-9]*:\\(memory\\|\\):/\\1 /p' /proc/${await inspect(name, '{{.State.Pid}}')}/cgroup | sort -r | head -1`,
    );
    const [path = '', v2] = own.split(' ').reverse();
    const file = v2 === 'memory' ? `memory${path}/memory.limit_in_bytes` : `${path}/memory.max`;
    return daemon.host.out(['cat', `/sys/fs/cgroup/${file}`]);
  };

  test('limits change while it runs, and are kept for the next start', async () => {
    await daemon.ok('run', '-d', '--name', 'bounded', '-m', '64m', '--pids-limit', '50', 'busybox', 'sleep', '600');
    const since = await daemon.now();
    assert.equal(
      await daemon.ok('update', '-m', '96m', '--memory-swap', '192m', '--pids-limit', '77', '--cpus', '0.5', 'bounded'),
      'bounded',
    );
    assert.deepEqual(await daemon.told(since), ['update']);
    const shown = '{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.NanoCpus}}';
    assert.equal(await inspect('bounded', shown), `${96 << 20} 77 500000000`);
    assert.equal(await memoryLimit('bounded'), String(96 << 20));
    await daemon.ok('restart', '-t', '0', 'bounded');
    assert.equal(await inspect('bounded', shown), `${96 << 20} 77 500000000`);
    assert.equal(await memoryLimit('bounded'), String(96 << 20));
    await daemon.ok('update', '--pids-limit', '-1', 'bounded');
    assert.equal(await inspect('bounded', shown), `${96 << 20} 0 500000000`);
    await daemon.ok('rm', '-f', 'bounded');
  });

  test('what contradicts what holds already is refused, and nothing changes', async () => {
    await daemon.ok('run', '-d', '--rm', '--name', 'stubborn', '-m', '64m', '--cpus', '1', 'busybox', 'sleep', '600');
    const refused = async (...flags: string[]) => (await daemon.docker(['update', ...flags, 'stubborn'])).stderr;
    assert.match(
      await refused('-m', '512m'),
      /Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time/,
    );
    assert.match(await refused('--cpu-quota', '5000'), /CPU Quota cannot be updated as NanoCPUs has already been set/);
    assert.match(await refused('-m', '1m'), /Minimum memory limit allowed is 6MB/);
    assert.match(
      await refused('--restart', 'always'),
      /Restart policy cannot be updated because AutoRemove is enabled for the container/,
    );
    assert.equal(
      await inspect('stubborn', '{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}'),
      `${64 << 20} no`,
    );
    await daemon.ok('rm', '-f', 'stubborn');
  });

  test('the restart policy changes for the run under way', async () => {
    await daemon.ok('run', '-d', '--name', 'changing', 'busybox', 'sleep', '600');
    await daemon.ok('update', '--restart', 'on-failure:1', 'changing');
    const kill = async () => daemon.host.out(['kill', '-9', await inspect('changing', '{{.State.Pid}}')]);
    await kill();
    await eventually(
      'it runs again',
      async () =>
        (await inspect('changing', '{{.RestartCount}} {{.State.Running}} {{.State.Restarting}}')) === '1 true false',
    );
    await daemon.ok('update', '--restart', 'no', 'changing');
    await kill();
    await eventually('it stays down', async () => (await inspect('changing', '{{.State.Status}}')) === 'exited');
    await daemon.ok('rm', 'changing');
  });

  test('out of memory: exit code, inspect, events; also of an exec, after which the container goes on', async () => {
    const since = await daemon.now();
    const tight = ['-m', '16m', '--memory-swap', '16m', 'busybox'];
    const eaten = await daemon.docker(['run', '--name', 'hungry', ...tight, 'tail', '/dev/zero']);
    assert.equal(eaten.code, 137);
    assert.equal(
      await inspect('hungry', '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}'),
      'exited 137 true',
    );
    await daemon.ok('run', '-d', '--name', 'host', ...tight, 'sleep', '600');
    assert.equal(await inspect('host', '{{.State.OOMKilled}}'), 'false');
    assert.equal((await daemon.docker(['exec', 'host', 'tail', '/dev/zero'])).code, 137);
    await eventually(
      'it is known',
      async () => (await inspect('host', '{{.State.Status}} {{.State.OOMKilled}}')) === 'running true',
    );
    await daemon.ok('kill', 'host');
    await daemon.ok('start', 'host');
    assert.equal(await inspect('host', '{{.State.OOMKilled}}'), 'false');
    await daemon.ok('run', '--name', 'killed', 'busybox', 'sh', '-c', 'kill -9 $$').catch(() => undefined);
    assert.equal(await inspect('killed', '{{.State.OOMKilled}}'), 'false');
    const told = (name: string) => daemon.told(since, [`container=${name}`]);
    assert.deepEqual(
      (await told('hungry')).filter((action) => ['oom', 'die'].includes(action)),
      ['oom', 'die'],
    );
    assert.ok((await told('host')).includes('oom'));
    await daemon.ok('rm', '-f', 'hungry', 'host', 'killed');
  });
});
