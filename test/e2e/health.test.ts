import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { busyboxTar } from '../fixtures.ts';
import { eventually } from '../host.ts';

describe('health checks', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    const check = 'HEALTHCHECK --interval=200ms --retries=2 CMD echo looking; test -e /well';
    await daemon.ok(
      'import',
      '--change',
      check,
      '--change',
      'CMD ["sleep", "600"]',
      await busyboxTar(),
      'checked:latest',
    );
  });
  after(() => daemon[Symbol.asyncDispose]());

  const inspect = (name: string, format: string) => daemon.ok('inspect', '-f', format, name);
  interface Health {
    readonly Status: string;
    readonly FailingStreak: number;
    readonly Log: readonly { Start: string; End: string; ExitCode: number; Output: string }[];
  }
  const health = async (name: string) => {
    const { State } = (await daemon.json('GET', `/v1.41/containers/${name}/json`)).body as {
      State: { Health: Health };
    };
    return State.Health;
  };
  const becomes = (name: string, wanted: string) =>
    eventually(`${name} is ${wanted}`, async () => (await health(name)).Status === wanted, 30_000);
  const run = (name: string, ...rest: string[]) => daemon.ok('run', '-d', '--name', name, ...rest);

  test('the image’s check: starting, unhealthy, healthy, and what is told of it', async () => {
    const since = await daemon.now();
    assert.match(
      await inspect('checked', '{{json .Config.Healthcheck}}'),
      /"Test":\["CMD-SHELL","echo looking; test -e \/well"\],"Interval":200000000,"Retries":2/,
    );
    await run('patient', 'checked');
    await becomes('patient', 'unhealthy');
    assert.match(await daemon.ok('ps', '--format', '{{.Status}}'), /^Up .* \(unhealthy\)$/);
    assert.equal(await daemon.ok('ps', '--filter', 'health=unhealthy', '--format', '{{.Names}}'), 'patient');
    assert.equal(await daemon.ok('ps', '-q', '--filter', 'health=healthy'), '');
    await daemon.ok('exec', 'patient', 'touch', '/well');
    await becomes('patient', 'healthy');
    assert.match(await daemon.ok('ps', '--format', '{{.Status}}'), /\(healthy\)$/);
    await eventually('five probes are remembered', async () => (await health('patient')).Log.length === 5);
    const { FailingStreak, Log } = JSON.parse(await inspect('patient', '{{json .State.Health}}'));
    assert.equal(FailingStreak, 0);
    for (const probe of Log) {
      assert.equal(probe.Output, 'looking\n');
      assert.ok(Date.parse(probe.Start) <= Date.parse(probe.End));
    }
    assert.deepEqual(await daemon.told(since, ['event=health_status']), [
      'health_status: unhealthy',
      'health_status: healthy',
    ]);
    const probes = (await daemon.told(since, ['container=patient'])).filter((action) => action.startsWith('exec_'));
    assert.deepEqual(probes.slice(0, 3), [
      'exec_create: /bin/sh -c echo looking; test -e /well',
      'exec_start: /bin/sh -c echo looking; test -e /well',
      'exec_die',
    ]);
    await daemon.ok('stop', '-t', '0', 'patient');
    assert.equal(await inspect('patient', '{{.State.Health.Status}} {{len .State.Health.Log}}'), 'unhealthy 5');
    await daemon.ok('rm', 'patient');
  });

  test('flags replace the image’s check in part or whole, and --no-healthcheck all of it', async () => {
    const config = async (...flags: string[]) => {
      const id = await daemon.ok('create', ...flags, 'checked');
      const text = await inspect(id, '{{json .Config.Healthcheck}}');
      await daemon.ok('rm', id);
      return JSON.parse(text);
    };
    const test = ['CMD-SHELL', 'echo looking; test -e /well'];
    assert.deepEqual(await config('--health-interval', '7s'), { Test: test, Interval: 7e9, Retries: 2 });
    assert.deepEqual(
      await config(
        '--health-cmd',
        'true',
        '--health-start-period',
        '1m',
        '--health-start-interval',
        '2s',
        '--health-timeout',
        '3s',
      ),
      {
        Test: ['CMD-SHELL', 'true'],
        Interval: 2e8,
        Timeout: 3e9,
        StartPeriod: 60e9,
        StartInterval: 2e9,
        Retries: 2,
      },
    );
    await run('unchecked', '--no-healthcheck', 'checked');
    assert.equal(await inspect('unchecked', '{{json .State.Health}}'), 'null');
    assert.equal(await daemon.ok('ps', '--filter', 'health=none', '--format', '{{.Names}}'), 'unchecked');
    await daemon.ok('rm', '-f', 'unchecked');
  });

  test('a probe that takes too long is killed, one that says too much is cut, one that cannot be run fails', async () => {
    const often = ['--health-interval', '500ms', '--health-retries', '1'];
    await run(
      'slow',
      '--health-cmd',
      'echo first; exec sleep 7777',
      '--health-timeout',
      '1s',
      ...often,
      'busybox',
      'sleep',
      '600',
    );
    await run('loud', '--health-cmd', 'yes | head -c 100000; exit 1', ...often, 'busybox', 'sleep', '600');
    await daemon.api('POST', '/containers/create?name=missing', {
      Image: 'busybox',
      Cmd: ['sleep', '600'],
      Healthcheck: { Test: ['CMD', '/nowhere'], Interval: 5e8, Retries: 1 },
    });
    await daemon.ok('start', 'missing');
    for (const name of ['slow', 'loud', 'missing']) await becomes(name, 'unhealthy');
    const first = async (name: string) => (await health(name)).Log[0];
    // On a busy machine one or another is killed before it has said its word.
    await eventually('a probe that took too long is told', async () => {
      const probe = await first('slow');
      return probe?.ExitCode === -1 && probe.Output === 'Health check exceeded timeout (1s): first\n';
    });
    assert.equal((await first('loud'))?.Output, `${'y\n'.repeat(2048)}...`);
    const missing = await first('missing');
    assert.equal(missing?.ExitCode, -1);
    assert.match(missing.Output, /exec: "\/nowhere": stat \/nowhere: no such file or directory/);
    await eventually('several probes took too long', async () => (await health('slow')).FailingStreak > 1);
    const sleeping = (await daemon.ok('top', 'slow')).split('\n').filter((line) => line.includes('sleep 7777'));
    assert.ok(sleeping.length <= 1, `killed probes are gone: ${sleeping.join('\n')}`);
    await daemon.ok('rm', '-f', 'slow', 'loud', 'missing');
  });

  test('pausing suspends the checks, also over a restart of the daemon; containers that run are looked after again', async () => {
    // Nearly always with a probe under way, when one is paused and when the daemon is killed.
    await run('still', '--health-interval', '1ms', 'checked', 'sh', '-c', 'touch /well; sleep 600');
    await run('going', '--health-interval', '1ms', 'checked', 'sh', '-c', 'touch /well; sleep 600');
    for (const name of ['still', 'going']) await becomes(name, 'healthy');
    await daemon.ok('pause', 'still');
    assert.equal(await inspect('still', '{{.State.Health.Status}}'), 'unhealthy');
    await daemon.stop('SIGKILL');
    await daemon.start();
    await becomes('going', 'healthy');
    assert.equal(await inspect('still', '{{.State.Status}}'), 'paused');
    assert.equal(await inspect('still', '{{len .State.Health.Log}}'), '0');
    await daemon.ok('unpause', 'still');
    await becomes('still', 'healthy');
    assert.equal(
      await inspect('going', '{{json .ExecIDs}}').then((ids) => ids === 'null' || JSON.parse(ids).length <= 1),
      true,
    );
    await daemon.ok('rm', '-f', 'still', 'going');
  });
});
