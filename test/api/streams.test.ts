import assert from 'node:assert/strict';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { readAll, readUntil, TestApi } from './fixture.ts';

let api: TestApi;
beforeEach(async () => {
  api = await TestApi.open();
});
afterEach(() => api[Symbol.asyncDispose]());

describe('streams', () => {
  const upgrade = 'Connection: Upgrade\r\nUpgrade: tcp\r\n';
  const attach = `POST /v1.41/containers/h5web/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\n`;

  test('attach frames two streams and passes input and its end', async () => {
    const socket = await api.dial();
    socket.write(`${attach}${upgrade}\r\n`);
    const head = await readUntil(socket, '\r\n\r\n');
    assert.match(head, /^HTTP\/1\.1 101 UPGRADED\r\nContent-Type: application\/vnd\.docker\.raw-stream\r\n/);
    socket.end('ping\n');
    const input = await readInput();
    assert.equal(input, 'ping\n');
    await api.engine.process.say('stderr', 'err\n');
    await api.engine.process.say('stdout', 'out\n');
    api.engine.process.end();
    assert.equal((await readAll(socket)).toString('base64'), 'AgAAAAAAAARlcnIKAQAAAAAAAARvdXQK');
  });

  /** Everything written to the process's standard input, to its end. */
  async function readInput(): Promise<string> {
    let text = '';
    for await (const chunk of api.engine.process.stdin) text += chunk;
    return text;
  }

  test('newer clients are told what framing they get', async () => {
    const socket = await api.dial();
    socket.write(`${attach.replace('1.41', '1.42')}${upgrade}\r\n`);
    assert.match(await readUntil(socket, '\r\n\r\n'), /vnd\.docker\.multiplexed-stream/);
    socket.destroy();
  });

  test('attach without upgrade answers 200 and ends with the connection', async () => {
    const socket = await api.dial();
    const body = '{"stream":true}';
    socket.write(`${attach}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    const head = await readUntil(socket, '\r\n\r\n');
    assert.match(head, /^HTTP\/1\.1 200 OK\r\nContent-Type: application\/vnd\.docker\.raw-stream\r\n/);
    await api.engine.process.subscribed;
    socket.write('input without an upgrade goes nowhere\r\n\r\n');
    await api.ask('GET', '/_ping');
    await api.engine.process.say('stdout', 'o\n');
    api.engine.process.end();
    assert.equal((await readAll(socket)).toString('base64'), 'AQAAAAAAAAJvCg==');
    socket.destroy();
  });

  for (const split of [false, true]) {
    test(`exec start reads its body, then the input behind it${split ? ', in pieces' : ''}`, async () => {
      const socket = await api.dial();
      const body = '{"Detach":false,"Tty":false}';
      const head = `POST /v1.50/exec/e1/start HTTP/1.1\r\nHost: x\r\n${upgrade}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
      if (split) {
        for (const piece of [head.slice(0, 40), head.slice(40), body.slice(0, 5), `${body.slice(5)}early`]) {
          socket.write(piece);
          await api.ask('GET', '/_ping');
        }
      } else socket.write(`${head}${body}early`);
      assert.match(await readUntil(socket, '\r\n\r\n'), /^HTTP\/1\.1 101 UPGRADED/);
      socket.end(' late');
      assert.equal(await readInput(), 'early late');
      api.engine.process.end();
      assert.equal((await readAll(socket)).length, 0);
      assert.deepEqual(api.engine.calls.at(-1)?.args, ['e1', { detach: false, tty: false }]);
    });
  }

  test('an exec that does not start says so where its output would be', async () => {
    api.engine.execError = new Error('OCI runtime exec failed: no such file');
    const socket = await api.dial();
    socket.write(
      `POST /exec/e1/start HTTP/1.1\r\nHost: x\r\n${upgrade}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`,
    );
    assert.match((await readAll(socket)).toString('latin1'), /OCI runtime exec failed: no such file\r\n$/);
  });

  test('an upgrade that leads nowhere is answered in HTTP', async () => {
    const socket = await api.dial();
    socket.write(`POST /containers/nosuch/attach HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`);
    assert.match((await readAll(socket)).toString(), /^HTTP\/1\.1 404 .*No such container: nosuch/s);
  });

  test('typing the detach keys ends the stream and not the process', async () => {
    await using tty = await TestApi.open({ tty: true });
    const { process } = tty.engine;
    const socket = await tty.dial();
    socket.write(`${attach}${upgrade}\r\n`);
    await readUntil(socket, '\r\n\r\n');
    socket.write('ls\x10\x11');
    assert.equal((await readAll(socket)).length, 0);
    assert.equal(process.stdin.read().toString(), 'ls');
    assert.equal(process.listeners.size, 0);
    assert.equal(process.stdin.writableEnded, false);
    socket.destroy();
  });

  test('a slow client holds the process until it reads', async () => {
    const socket = await api.dial();
    socket.pause();
    socket.write(`${attach}${upgrade}\r\n`);
    await api.engine.process.subscribed;
    let delivered = false;
    const saying = api.engine.process.say('stdout', Buffer.alloc(8 << 20)).then(() => {
      delivered = true;
    });
    await api.ask('GET', '/_ping');
    assert.equal(delivered, false);
    socket.resume();
    await saying;
    socket.destroy();
  });

  test('a client that vanishes is forgotten', async () => {
    const socket = await api.dial();
    socket.write(`${attach}${upgrade}\r\n`);
    await api.engine.process.subscribed;
    socket.destroy();
    while (api.engine.process.listeners.size > 0) await api.ask('GET', '/_ping');
    assert.equal(await readInput(), '');
  });

  test('wait sends its headers at once and its body at the end', async () => {
    const { response } = await api.open('POST', '/v1.41/containers/h5web/wait?condition=next-exit');
    assert.equal(response.statusCode, 200);
    api.engine.exit.resolve({ code: 3 });
    let text = '';
    for await (const chunk of response) text += chunk;
    assert.equal(text, '{"Error":null,"StatusCode":3}\n');
  });

  test('logs are framed, with their times when asked', async () => {
    const { headers } = await api.ask('GET', '/v1.50/containers/h5web/logs?stdout=1&stderr=1');
    assert.equal(headers['content-type'], 'application/vnd.docker.multiplexed-stream');
    const { text } = await api.ask(
      'GET',
      '/v1.41/containers/h5web/logs?stdout=1&stderr=1&timestamps=1&tail=5&since=1.5',
    );
    assert.match(text, /2026-11-21T01:23:13\.536996967Z out\n/);
    assert.match(text, /2026-11-21T01:23:14\.500000000Z err\n/);
    assert.partialDeepStrictEqual(api.engine.calls.at(-1)?.args[1], { tail: 5, since: 1_500_000_000n, follow: false });
  });

  test('events come as they happen and end with the client', async () => {
    const { asked, response } = await api.open('GET', '/events?filters={"type":["network"]}');
    api.engine.events.emit('container', 'start', 'c', {});
    api.engine.events.emit('network', 'connect', 'n', { name: 'h5net' });
    const [line] = (await once(response, 'data')) as [Buffer];
    assert.equal(JSON.parse(line.toString()).Actor.ID, 'n');
    asked.destroy();
    while (api.engine.events.listeners > 0) await api.ask('GET', '/_ping');
  });

  test('events of the past end by themselves', async () => {
    api.engine.events.emit('network', 'create', 'n', {});
    const { text } = await api.ask('GET', `/events?since=1&until=${Math.floor(Date.now() / 1000) + 1}`);
    assert.equal(JSON.parse(text).Action, 'create');
  });
});
