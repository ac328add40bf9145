import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SOCKET, TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

describe('clients and containers that behave badly, and many at once', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const inspect = (name: string, format: string) => daemon.inspect(name, format);

  /** A connection on which a request was sent and nothing is read. */
  const sendOnly = (request: string): Promise<Socket> =>
    new Promise((resolve, reject) => {
      const socket = connect(daemon.host.path(SOCKET), () => socket.write(request, () => resolve(socket)));
      socket.pause().once('error', reject);
    });

  /** Bytes of memory of the daemon. */
  const resident = async () => {
    const status = readFileSync(daemon.host.path(`/proc/${await daemon.pid()}/status`), 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
  };

  test('who attaches and never reads holds up nothing but the output, in little memory', async () => {
    const script = 'yes 0123456789012345678901234567890123456789 | head -c 64m; echo; echo end; exit 3';
    await daemon.ok('create', '--name', 'loud', 'busybox', 'sh', '-c', script);
    const query = 'stream=1&stdout=1&stderr=1';
    const deaf = await sendOnly(
      `POST /v1.50/containers/loud/attach?${query} HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n`,
    );
    const before = await resident();
    await daemon.ok('start', 'loud');
    await eventually('some of it is logged', async () => (await daemon.ok('logs', '--tail', '1', 'loud')) !== '');
    assert.equal(await daemon.ok('exec', 'loud', 'echo', 'alive'), 'alive');
    assert.equal(await inspect('loud', '{{.State.Status}}'), 'running');
    // Rubbish goes when the daemon is idle, what is kept for the deaf one would not.
    const kept = async () => (await resident()) - before;
    await eventually('what nobody reads is not kept in memory', async () => (await kept()) < 32 << 20);
    deaf.destroy();
    assert.equal(await daemon.ok('wait', 'loud'), '3');
    assert.equal(await daemon.ok('logs', '--tail', '1', 'loud'), 'end');
    await daemon.ok('rm', 'loud');
  });

  test('a thousand connections at once are all answered', async () => {
    const answer = (socket: Socket) =>
      new Promise<string>((resolve, reject) => {
        let text = '';
        socket.on('data', (chunk: Buffer) => {
          text += chunk.toString();
          if (text.endsWith('OK')) resolve(text);
        });
        socket
          .once('error', reject)
          .once('close', () => resolve(text))
          .resume();
      });
    const sockets = await Promise.all(
      Array.from({ length: 1000 }, () => sendOnly('GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n')),
    );
    const answers = await Promise.all(sockets.map(answer));
    assert.ok(answers.every((text) => text.startsWith('HTTP/1.1 200 OK') && text.endsWith('OK')));
    assert.equal(await daemon.ok('run', '--rm', 'busybox', 'echo', 'beside them'), 'beside them');
    for (const socket of sockets) socket.destroy();
  });

  test('a container that forks without end stays within --pids-limit, and can be removed', async () => {
    // The shell that began forks once, before anybody else, and waits without: a fork that fails would end it.
    const bomb = 'f() { f | f & }; mkfifo /never; (f) 2>/dev/null & read line <>/never';
    await daemon.ok('run', '-d', '--name', 'bomb', '--pids-limit', '40', '-m', '64m', 'busybox', 'sh', '-c', bomb);
    const beside = await daemon.ok('run', '--rm', 'busybox', 'echo', 'undisturbed');
    assert.equal(beside, 'undisturbed');
    const processes = (await daemon.ok('top', 'bomb')).split('\n').length - 1;
    assert.ok(processes <= 40, `${processes} processes`);
    await daemon.ok('rm', '-f', 'bomb');
    assert.equal(await daemon.ok('ps', '-aq'), '');
  });

  test('many containers started, entered and removed side by side', async () => {
    const ids = await Promise.all(
      Array.from({ length: 12 }, async () => {
        const { body } = await daemon.api('POST', '/containers/create', { Image: 'busybox', Cmd: ['sleep', '600'] });
        return String(JSON.parse(body).Id);
      }),
    );
    const started = await Promise.all(ids.map((id) => daemon.api('POST', `/containers/${id}/start`)));
    assert.deepEqual(new Set(started.map(({ status, body }) => `${status} ${body}`)), new Set(['204 ']));
    const entered = await Promise.all(ids.slice(0, 8).map((id) => daemon.ok('exec', id, 'hostname')));
    assert.deepEqual(
      entered,
      ids.slice(0, 8).map((id) => id.slice(0, 12)),
    );
    const removed = await Promise.all(ids.map((id) => daemon.api('DELETE', `/containers/${id}?force=1`)));
    assert.deepEqual(new Set(removed.map(({ status }) => status)), new Set([204]));
    assert.equal(await daemon.ok('ps', '-aq'), '');
    await eventually('no namespace is left', async () => (await daemon.host.shell('ls /run/fairway/netns')) === '');
  });

  test('a damaged store is refused in one sentence and left as it is; mended, everything is there', async () => {
    await daemon.ok('network', 'create', 'kept');
    await daemon.stop('SIGTERM');
    const path = daemon.host.path('/run/data/fairway.db');
    const whole = readFileSync(path);
    const damages: readonly (readonly [RegExp, (bytes: Buffer) => Buffer])[] = [
      [/it was written by a newer Fairway/, (bytes) => bytes.fill(0x7f, 60, 64)],
      [
        /the file is damaged \(networks \w+: its text is not what was written\)/,
        (bytes) => swapped(bytes, '"kept"', '"lost"'),
      ],
      [/the file is damaged/, (bytes) => bytes.fill(0, 4096, 8192)],
      [/the file is damaged/, (bytes) => bytes.subarray(0, 0)],
    ];
    for (const [words, damage] of damages) {
      const damaged = damage(Buffer.from(whole));
      writeFileSync(path, damaged);
      const { code, stderr } = await daemon.host.exec([
        FAIRWAYD,
        '--data-root',
        '/run/data',
        '--exec-root',
        '/run/fairway',
      ]);
      assert.equal(code, 1);
      assert.match(stderr, words);
      assert.match(stderr, /^fairwayd: Cannot use \/run\/data\/fairway\.db: .*\n$/, 'one sentence, no stack');
      assert.ok(readFileSync(path).equals(damaged));
    }
    writeFileSync(path, whole);
    await daemon.start();
    assert.equal(await daemon.ok('network', 'inspect', '-f', '{{.Name}}', 'kept'), 'kept');
  });
});

const FAIRWAYD = join(import.meta.dirname, '../../bin/fairwayd');

function swapped(bytes: Buffer, from: string, to: string): Buffer {
  bytes.write(to, bytes.indexOf(from));
  return bytes;
}
