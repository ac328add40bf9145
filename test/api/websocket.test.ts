import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { message, readAll, readUntil, TestApi } from './fixture.ts';

const HANDSHAKE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  'Sec-WebSocket-Version': '13',
};

/** Said to be text, as many clients do with what is none. */
const EARLY = Buffer.from([0x65, 0xff]);

let api: TestApi;
beforeEach(async () => {
  api = await TestApi.open();
});
afterEach(() => api[Symbol.asyncDispose]());

/** A client that is attached, and what it has heard. */
class Client {
  readonly webSocket: WebSocket;
  readonly messages: { readonly text: string; readonly binary: boolean }[] = [];
  /** The code the connection was closed with */
  readonly closed: Promise<number>;

  private constructor(server: TestApi, path: string) {
    this.webSocket = new WebSocket(`ws+unix://${server.socketPath}:${path}`);
    this.closed = new Promise((resolve) => this.webSocket.on('close', resolve));
    this.webSocket.on('message', (data, binary) => this.messages.push({ text: String(data), binary }));
  }

  static async attach(server: TestApi, query = 'stream=1&stdin=1&stdout=1&stderr=1', version = '/v1.51') {
    const client = new Client(server, `${version}/containers/h5web/attach/ws?${query}`);
    await once(client.webSocket, 'open');
    await server.engine.process.subscribed;
    return client;
  }
}

/** The handshake without any library, and what was said in return. */
async function shakeHands(socket: Socket, headers: Readonly<Record<string, string>> = HANDSHAKE, behind = '') {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const request = `GET /containers/h5web/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n${lines.join('')}\r\n`;
  socket.write(`${request}${behind}`, 'latin1');
  return await readUntil(socket, '\r\n\r\n');
}

/** What a client sends: one frame, masked with zeros. @param opcode RFC 6455, 5.2; its top bit says that the message ends here */
function frame(opcode: number, payload: string | Buffer): Buffer {
  const data = Buffer.from(payload);
  const head = data.length < 126 ? Buffer.alloc(6) : Buffer.alloc(14);
  head.writeUInt8(opcode, 0);
  head.writeUInt8(0x80 | (data.length < 126 ? data.length : 127), 1);
  if (data.length >= 126) head.writeBigUInt64BE(BigInt(data.length), 2);
  return Buffer.concat([head, data]);
}

describe('attach by WebSocket', () => {
  test('both streams come as they are, in binary messages; input goes to the process, and its end with the close', async () => {
    const { webSocket, messages, closed } = await Client.attach(api);
    await api.engine.process.say('stdout', 'out\n');
    await api.engine.process.say('stderr', Buffer.from([0xff, 0x0a]));
    webSocket.send('typed');
    webSocket.send(Buffer.from(' and binary'));
    webSocket.close();
    assert.equal(await text(api.engine.process.stdin), 'typed and binary');
    assert.equal(await closed, 1005);
    assert.deepEqual(messages, [
      { text: 'out\n', binary: true },
      { text: '\ufffd\n', binary: true },
    ]);
  });

  test("the process's end closes the connection in the ordinary way, behind all it said", async () => {
    const { webSocket, messages, closed } = await Client.attach(api);
    const last = 'x'.repeat(3 << 20);
    void api.engine.process.say('stdout', last);
    api.engine.process.end();
    assert.equal(await closed, 1000);
    assert.equal(messages.map((one) => one.text).join(''), last);
    assert.equal(webSocket.extensions, '');
  });

  test('only the streams that were asked for; clients before 1.42 get all, those before 1.28 as text', async () => {
    const one = await Client.attach(api, 'stream=1&stderr=1');
    const old = await Client.attach(api, 'stream=1&logs=1', '/v1.27');
    await api.engine.process.say('stdout', 'out');
    await api.engine.process.say('stderr', 'err');
    one.webSocket.send('nobody asked for input');
    api.engine.process.end();
    await Promise.all([one.closed, old.closed]);
    assert.deepEqual(one.messages, [{ text: 'err', binary: true }]);
    assert.deepEqual(old.messages, [
      { text: 'out', binary: false },
      { text: 'err', binary: false },
    ]);
    assert.deepEqual(
      api.engine.calls.map(({ args }) => args[1]),
      [
        { stdin: false, stdout: false, stderr: true, logs: false, stream: true },
        { stdin: true, stdout: true, stderr: true, logs: true, stream: true },
      ],
    );
  });

  test('what is wrong is told in HTTP, and nobody is attached', async () => {
    const path = '/v1.51/containers/h5web/attach/ws?stream=1';
    const { 'Sec-WebSocket-Key': _, ...keyless } = HANDSHAKE;
    for (const [asked, headers, status, words] of [
      [path, {}, 400, 'not websocket protocol'],
      [path, { ...HANDSHAKE, Upgrade: 'tcp' }, 400, 'not websocket protocol'],
      [path, keyless, 400, 'mismatch challenge/response'],
      [path, { ...HANDSHAKE, 'Sec-WebSocket-Version': '12' }, 400, 'missing or bad WebSocket Version'],
      [path.replace('h5web', 'nosuch'), {}, 404, 'No such container: nosuch'],
      [path.replace('h5web', 'nosuch'), HANDSHAKE, 404, 'No such container: nosuch'],
      [`${path}&detachKeys=ctrl-`, HANDSHAKE, 400, /detach keys/],
    ] as const) {
      const answer = await api.ask('GET', asked, undefined, headers);
      assert.equal(answer.status, status);
      assert.match(message(answer), typeof words === 'string' ? new RegExp(`^${words}$`) : words);
      const told = words.toString().includes('WebSocket') || headers === keyless;
      if (told) assert.equal(answer.headers['sec-websocket-version'], '13');
    }
    assert.deepEqual(api.engine.calls, []);
  });

  test('a key that is none is refused in HTTP, too', async () => {
    const headers = { ...HANDSHAKE, 'Sec-WebSocket-Key': 'short' };
    const answer = await api.ask('GET', '/containers/h5web/attach/ws?stream=1', undefined, headers);
    assert.equal(answer.status, 400);
    assert.match(message(answer), /Sec-WebSocket-Key/);
    assert.equal(api.engine.process.listeners.size, 0);
  });

  test('the answer is the handshake’s alone, and a message right behind the request is not lost', async () => {
    const socket = await api.dial();
    const head = await shakeHands(
      socket,
      { ...HANDSHAKE, 'Content-Length': '2' },
      `{}${frame(0x81, EARLY).toString('latin1')}`,
    );
    // SHA-1 of the key and RFC 6455's own, in base64.
    const accepted = 'Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=';
    assert.equal(
      head,
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${accepted}\r\n\r\n`,
    );
    const [early] = await once(api.engine.process.stdin, 'data');
    assert.deepEqual(early, EARLY);
    socket.destroy();
  });

  test('pings are answered; a message may come in parts', async () => {
    const { webSocket } = await Client.attach(api);
    webSocket.ping('are you there');
    const [answer] = await once(webSocket, 'pong');
    assert.equal(String(answer), 'are you there');
    webSocket.send('in ', { fin: false });
    webSocket.send('parts', { fin: true });
    const [heard] = await once(api.engine.process.stdin, 'data');
    assert.equal(String(heard), 'in parts');
  });

  test('what is against the protocol, or too large, closes the connection with its code; the process goes on', async () => {
    api.engine.stdinOnce = false;
    const large = await Client.attach(api);
    large.webSocket.send(Buffer.alloc((4 << 20) + 1));
    assert.equal(await large.closed, 1009);
    const socket = await api.dial();
    await shakeHands(socket);
    socket.write(frame(0x83, 'opcode 3 is nobody’s'));
    assert.equal((await readAll(socket)).toString('hex'), '880203ea');
    socket.destroy();
    while (api.engine.process.listeners.size > 0) await api.ask('GET', '/_ping');
    assert.equal(api.engine.process.stdin.read(), null);
    assert.equal(api.engine.process.stdin.writableEnded, false);
  });

  test('typing the detach keys closes the connection and not the process', async () => {
    await using tty = await TestApi.open({ tty: true });
    const { webSocket, closed } = await Client.attach(tty);
    webSocket.send('ls\x10\x11');
    assert.equal(await closed, 1000);
    assert.equal(String(tty.engine.process.stdin.read()), 'ls');
    assert.equal(tty.engine.process.stdin.writableEnded, false);
    assert.equal(tty.engine.process.listeners.size, 0);
  });

  test('a slow client holds the process until it reads, and no longer when it is gone', async () => {
    for (const leave of [false, true]) {
      const { webSocket, messages } = await Client.attach(api);
      webSocket.pause();
      let delivered = 0;
      const saying = (async () => {
        for (; delivered < 64; delivered++) await api.engine.process.say('stdout', Buffer.alloc(1 << 20));
      })();
      await api.ask('GET', '/_ping');
      await api.ask('GET', '/_ping');
      assert.ok(delivered < 8, `${delivered} MiB are on their way`);
      if (leave) webSocket.terminate();
      else webSocket.resume();
      await saying;
      if (!leave) {
        while (messages.length < 64) await once(webSocket, 'message');
        webSocket.close();
      }
    }
  });

  test('a process that does not read holds the client', async () => {
    const { webSocket, closed } = await Client.attach(api);
    let sent = 0;
    const sending = (async () => {
      for (; sent < 64; sent++) await new Promise((taken) => webSocket.send(Buffer.alloc(1 << 20), taken));
      webSocket.close();
    })();
    for (let last = -1; last !== sent; ) {
      last = sent;
      for (let asked = 0; asked < 20; asked++) await api.ask('GET', '/_ping');
    }
    assert.ok(sent < 16, `${sent} MiB were taken`);
    assert.equal((await text(api.engine.process.stdin)).length, 64 << 20);
    await sending;
    assert.equal(await closed, 1005);
  });

  test('what a client has sent reaches a process that reads it only when the client is gone', async () => {
    const { webSocket, closed } = await Client.attach(api);
    webSocket.send('x'.repeat(256 << 10));
    webSocket.send('the last');
    webSocket.close();
    await closed;
    await api.ask('GET', '/_ping');
    await api.engine.process.say('stdout', 'to nobody');
    const read = await text(api.engine.process.stdin);
    assert.equal(read.slice(256 << 10), 'the last');
  });

  test('a client that vanishes is forgotten, and so is one the server leaves', async () => {
    const { webSocket } = await Client.attach(api);
    webSocket.terminate();
    while (api.engine.process.listeners.size > 0) await api.ask('GET', '/_ping');
    assert.equal(await text(api.engine.process.stdin), '');
    const { closed } = await Client.attach(api);
    await api.server.close();
    assert.equal(await closed, 1006);
    assert.equal(api.engine.process.listeners.size, 0);
  });

  test('who pings without end and reads nothing is cut off', async () => {
    const socket = await api.dial();
    await shakeHands(socket);
    await api.engine.process.subscribed;
    socket.pause();
    const saying = api.engine.process.say('stdout', Buffer.alloc(16 << 20));
    for (let sent = 0; sent < 100; sent++) socket.write(frame(0x89, 'p'.repeat(100)));
    await saying;
    while (api.engine.process.listeners.size > 0) await api.ask('GET', '/_ping');
    socket.destroy();
  });
});
