import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

const JOURNALD = '/usr/lib/systemd/systemd-journald';

describe('the journal as a log driver, on a machine with systemd-journald', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create(['--log-driver', 'journald', '--log-opt', 'labels=team']);
    // By default it drops what one writer says beyond 10,000 messages in 30 s (journald.conf(5)).
    const unlimited = '[Journal]\nRateLimitIntervalSec=0\n';
    await daemon.host.shell(
      `mkdir -p /run/systemd/journald.conf.d; printf '${unlimited}' >/run/systemd/journald.conf.d/unlimited.conf`,
    );
    daemon.host.spawn([JOURNALD]);
    await eventually('journald listens', async () => {
      return (await daemon.host.exec(['test', '-S', '/run/systemd/journal/socket'])).code === 0;
    });
  });
  after(() => daemon[Symbol.asyncDispose]());

  const journal = async (name: string) => {
    await daemon.host.out(['journalctl', '--sync']);
    const text = await daemon.host.out(['journalctl', '-o', 'json', `CONTAINER_NAME=${name}`]);
    return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, string>]));
  };

  test('entries carry Docker’s fields', async () => {
    const options = ['--label', 'team=blue', '--log-opt', 'tag={{.Name}}!', '--name', 'fields'];
    await daemon.ok('run', ...options, 'busybox', 'sh', '-c', 'echo out; echo err >&2; printf "a\\tb"');
    const id = await daemon.inspect('fields', '{{.Id}}');
    const entries = await journal('fields');
    assert.deepEqual(entries.map(({ MESSAGE, PRIORITY }) => `${PRIORITY} ${MESSAGE}`).sort(), [
      '3 err',
      '6 a\tb',
      '6 out',
    ]);
    for (const entry of entries) {
      assert.equal(entry['CONTAINER_ID'], id.slice(0, 12));
      assert.equal(entry['CONTAINER_ID_FULL'], id);
      assert.equal(entry['CONTAINER_TAG'], 'fields!');
      assert.equal(entry['SYSLOG_IDENTIFIER'], 'fields!');
      assert.equal(entry['IMAGE_NAME'], 'busybox');
      assert.equal(entry['TEAM'], 'blue');
    }
    const unfinished = entries.filter((entry) => entry['CONTAINER_PARTIAL_MESSAGE'] === 'true');
    assert.deepEqual(
      unfinished.map(({ MESSAGE }) => MESSAGE),
      ['a\tb'],
    );
    await daemon.ok('rm', 'fields');
  });

  test('docker logs reads them back, by tail, time and stream', async () => {
    await daemon.ok(
      'run',
      '--label',
      'team=red',
      '--name',
      'read',
      'busybox',
      'sh',
      '-c',
      'seq 1 12000; sleep 0.1; echo end',
    );
    const numbers = Array.from({ length: 12_000 }, (_, i) => String(i + 1));
    assert.deepEqual((await daemon.ok('logs', 'read')).split('\n'), [...numbers, 'end']);
    assert.deepEqual((await daemon.ok('logs', '--tail', '3', 'read')).split('\n'), ['11999', '12000', 'end']);
    const [time = ''] = (await daemon.ok('logs', '-t', '--tail', '1', 'read')).split(' ');
    assert.equal(await daemon.ok('logs', '--since', time, 'read'), 'end');
    assert.equal(await daemon.ok('logs', '--details', '--tail', '1', 'read'), 'TEAM=red end');
    assert.equal((await daemon.docker(['logs', 'read'])).stderr, '');
    assert.equal(await daemon.ok('inspect', '-f', '{{.HostConfig.LogConfig.Type}}{{.LogPath}}', 'read'), 'journald');
    await daemon.ok('rm', 'read');
  });

  test('following ends with the container, and has everything', async () => {
    const script = 'echo first; until [ -e /go ]; do sleep 0.05; done; seq 1 300';
    await daemon.ok('run', '-d', '--name', 'followed', 'busybox', 'sh', '-c', script);
    const follower = daemon.docker(['logs', '-f', 'followed']);
    // It may end before the exec has been answered.
    await daemon.docker(['exec', 'followed', 'touch', '/go']);
    const numbers = Array.from({ length: 300 }, (_, i) => String(i + 1));
    assert.deepEqual((await follower).stdout.trimEnd().split('\n'), ['first', ...numbers]);
    await daemon.ok('rm', '-f', 'followed');
  });

  test('a daemon that is killed loses no line, and doubles at most the one it was at', async () => {
    const script = 'until [ -e /go ]; do sleep 0.05; done; seq 1 12000; until [ -e /end ]; do sleep 0.05; done';
    await daemon.ok('run', '-d', '--name', 'killed', 'busybox', 'sh', '-c', script);
    const last = async () =>
      Number(await daemon.host.out(['journalctl', '-o', 'cat', '--lines', '1', 'CONTAINER_NAME=killed']));
    await daemon.ok('exec', 'killed', 'touch', '/go');
    const kills = [500, 3000, 8000];
    for (const count of kills) {
      await eventually('some more is in the journal', async () => (await last()) > count, 60_000);
      await daemon.stop('SIGKILL');
      await daemon.start();
    }
    await daemon.ok('exec', 'killed', 'touch', '/end');
    assert.equal(await daemon.ok('wait', 'killed'), '0');
    const logged = (await daemon.ok('logs', 'killed')).split('\n');
    const once = logged.filter((line, i) => line !== logged[i - 1]);
    assert.equal(once.length, 12_000);
    assert.ok(once.every((line, i) => line === String(i + 1)));
    assert.ok(logged.length <= 12_000 + kills.length, String(logged.length));
    await daemon.ok('rm', 'killed');
  });
});
