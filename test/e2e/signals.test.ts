import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { busyboxTar } from '../fixtures.ts';
import { eventually } from '../host.ts';

/** Says which signal it got, and ends with a code of its own for each. */
const LISTEN = `for s in TERM:4 INT:5 USR1:6 QUIT:7; do trap "echo \${s%:*}; exit \${s#*:}" \${s%:*}; done
  echo ready; while :; do sleep 0.05; done`;

describe('--init, stop signals and time-outs', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.ok('import', '--change', 'STOPSIGNAL SIGUSR1', await busyboxTar(), 'polite:latest');
  });
  after(() => daemon[Symbol.asyncDispose]());

  const inspect = (name: string, format: string) => daemon.inspect(name, format);
  const listen = async (name: string, flags: readonly string[], image = 'busybox', script = LISTEN) => {
    await daemon.ok('run', '-d', '--name', name, ...flags, image, 'sh', '-c', script);
    await eventually(`${name} listens`, async () => (await daemon.ok('logs', name)).includes('ready'));
  };
  const endsWith = async (name: string, code: number, said: RegExp) => {
    assert.equal(await inspect(name, '{{.State.Status}} {{.State.ExitCode}}'), `exited ${code}`);
    assert.match(await daemon.ok('logs', name), said);
    await daemon.ok('rm', name);
  };

  test('the stop signal: SIGTERM, the image’s, --stop-signal, stop -s, restart -s', async () => {
    const cases = [
      [[], 'busybox', [], 4, /TERM/],
      [[], 'polite', [], 6, /USR1/],
      [['--stop-signal', 'SIGINT'], 'polite', [], 5, /INT/],
      [['--stop-signal', 'SIGINT'], 'polite', ['-s', 'QUIT'], 7, /QUIT/],
    ] as const;
    for (const [flags, image, how, code, said] of cases) {
      await listen('listening', flags, image);
      await daemon.ok('stop', '-t', '60', ...how, 'listening');
      await endsWith('listening', code, said);
    }
    await listen('listening', []);
    await daemon.ok('restart', '-t', '60', '-s', 'INT', 'listening');
    await eventually('it listens again', async () => /INT\nready$/.test(await daemon.ok('logs', 'listening')));
    const refused = await daemon.docker(['stop', '-s', 'SIGNOTHING', 'listening']);
    assert.match(refused.stderr, /invalid signal: SIGNOTHING/i);
    await daemon.ok('rm', '-f', 'listening');
  });

  test('the time-out: whoever does not listen is killed after -t, --stop-timeout or at once', async () => {
    const deaf = 'trap "" TERM; echo ready; while :; do sleep 0.05; done';
    for (const [flags, how] of [
      [[], ['-t', '0']],
      [[], ['-t', '1']],
      [['--stop-timeout', '1'], []],
    ] as const) {
      await listen('deaf', flags, 'busybox', deaf);
      await daemon.ok('stop', ...how, 'deaf');
      await endsWith('deaf', 137, /ready/);
    }
    assert.match(await daemon.ok('create', '--name', 'timed', '--stop-timeout', '77', 'busybox'), /^[0-9a-f]{64}$/);
    assert.equal(await inspect('timed', '{{.Config.StopTimeout}}'), '77');
    await daemon.ok('rm', 'timed');
  });

  test('--init: a first process that passes signals on and reaps, whose file cannot be written', async () => {
    const first = 'tr "\\0" " " < /proc/1/cmdline';
    assert.match(
      await daemon.ok('run', '--rm', '--init', 'busybox', 'sh', '-c', first),
      /^\/sbin\/docker-init -- sh -c /,
    );
    await daemon.ok(
      'run',
      '-d',
      '--init',
      '--name',
      'tended',
      'busybox',
      'sh',
      '-c',
      'sh -c "sleep 0.01 &"; echo ready; exec sleep 600',
    );
    await eventually('it runs', async () => (await daemon.ok('logs', 'tended')) === 'ready');
    await eventually('no orphan stays a zombie', async () => !(await daemon.ok('top', 'tended')).includes('defunct'));
    assert.equal(await inspect('tended', '{{.HostConfig.Init}} {{.Path}}'), 'true sh');
    assert.match(
      (await daemon.docker(['exec', 'tended', 'sh', '-c', 'echo > /sbin/docker-init'])).stderr,
      /Read-only file system/,
    );
    await daemon.ok('stop', '-t', '60', 'tended');
    await endsWith('tended', 143, /ready/);
  });

  test('the daemon’s --init is the default, and --init-path names the program', async () => {
    const first = ['busybox', 'sh', '-c', 'tr "\\0" " " < /proc/1/cmdline'];
    await daemon.stop('SIGTERM');
    await daemon.host.shell('cp /usr/bin/tini-static /run/my-init');
    await daemon.start(['--init', '--init-path', '/run/my-init']);
    assert.match(await daemon.ok('run', '--rm', ...first), /^\/sbin\/docker-init -- /);
    assert.match(await daemon.ok('run', '--rm', '--init=false', ...first), /^tr /);
    await daemon.host.shell('rm /run/my-init');
    const refused = await daemon.docker(['run', '--rm', ...first]);
    assert.equal(refused.code, 125);
    assert.match(
      refused.stderr,
      /the program for --init, \/run\/my-init, may not be run: install docker-init or tini-static/,
    );
  });
});
