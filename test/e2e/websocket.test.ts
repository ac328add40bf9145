import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { SOCKET, TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

describe('attach by WebSocket', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  /** A client that is attached, and what it has heard. */
  async function attach(container: string, query: string) {
    const path = `/v1.51/containers/${container}/attach/ws?${query}`;
    const webSocket = new WebSocket(`ws+unix://${daemon.host.path(SOCKET)}:${path}`);
    const client = { webSocket, heard: '', closed: once(webSocket, 'close').then(([code]) => code) };
    webSocket.on('message', (data: Buffer) => (client.heard += data.toString('latin1')));
    await once(webSocket, 'open');
    return client;
  }

  test('a container hears what is typed and says all it has, from its first word to its end', async () => {
    const command = 'echo begun; while read line; do echo "heard $line"; echo "as well" >&2; done; exit 3';
    await daemon.ok('create', '-i', '--name', 'talker', 'busybox', 'sh', '-c', command);
    const client = await attach('talker', 'stream=1&stdin=1&stdout=1&stderr=1');
    await daemon.ok('start', 'talker');
    await eventually('it has begun', () => client.heard === 'begun\n');
    client.webSocket.send('one\n');
    client.webSocket.send(Buffer.from('two\n'));
    await eventually('both lines are answered, by both streams', () => client.heard.length === 42);
    assert.match(client.heard, /^begun\nheard one\n.*heard two\n/s);
    assert.equal(client.heard.split('as well\n').length, 3);
    await daemon.ok('kill', 'talker');
    assert.equal(await client.closed, 1000);
    const late = await attach('talker', 'logs=1&stdout=1');
    assert.equal(await late.closed, 1000);
    assert.equal(late.heard, 'begun\nheard one\nheard two\n');
    await daemon.ok('rm', 'talker');
  });

  test('what is sent before the close arrives whole, and its end is the process’s', async () => {
    const bytes = 20_000_000;
    await daemon.ok('create', '-i', '--name', 'counter', 'busybox', 'sh', '-c', 'sleep 1; wc -c');
    const { webSocket } = await attach('counter', 'stream=1&stdin=1');
    await daemon.ok('start', 'counter');
    for (let sent = 0; sent < bytes; sent += 1_000_000) webSocket.send(Buffer.alloc(1_000_000));
    webSocket.close();
    assert.equal(await daemon.ok('wait', 'counter'), '0');
    assert.equal(await daemon.ok('logs', 'counter'), String(bytes));
    await daemon.ok('rm', 'counter');
  });

  test('a terminal echoes, and its detach keys leave it running', async () => {
    await daemon.ok('run', '-dit', '--name', 'terminal', 'busybox', 'cat');
    const client = await attach('terminal', 'stream=1&stdin=1&stdout=1&detachKeys=ctrl-x');
    client.webSocket.send('word\n');
    await eventually('typed and told', () => client.heard === 'word\r\nword\r\n');
    client.webSocket.send('\x18');
    assert.equal(await client.closed, 1000);
    assert.equal(await daemon.inspect('terminal', '{{.State.Running}}'), 'true');
    await daemon.ok('rm', '-f', 'terminal');
  });

  test('a daemon that ends cuts the connection; the container goes on and can be attached to again', async () => {
    await daemon.ok('run', '-di', '--name', 'stays', 'busybox', 'cat');
    const before = await attach('stays', 'stream=1&stdin=1&stdout=1');
    await daemon.stop('SIGTERM');
    assert.equal(await before.closed, 1006);
    await daemon.start();
    const next = await attach('stays', 'stream=1&stdin=1&stdout=1');
    next.webSocket.send('still there\n');
    await eventually('it answers', () => next.heard === 'still there\n');
    await daemon.ok('rm', '-f', 'stays');
    assert.equal(await next.closed, 1000);
  });
});
