import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { OutputListener, ProcessIo } from '../runtime/process/process.ts';
import { attachTo } from './container-attach.ts';
import { Session } from './session.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** Streams as a process has them, worked by hand. */
class Streams implements ProcessIo {
  readonly stdin = new PassThrough();
  readonly ended = new Promise<void>(() => undefined);
  listener: OutputListener = () => undefined;

  subscribe(listener: OutputListener): () => void {
    this.listener = listener;
    return () => undefined;
  }

  say(stream: 'stdout' | 'stderr', words: string): void | Promise<void> {
    return this.listener(stream, Buffer.from(words));
  }

  settled(): Promise<void> {
    return this.ended;
  }
}

const all = { stdin: true, stdout: true, stderr: true };

test('who attaches before the start misses nothing, and what was typed arrives', async () => {
  const session = new Session(silent, true);
  const attachment = attachTo(session, { tty: false, wanted: all, closesStdin: true });
  const heard: string[] = [];
  attachment.subscribe((stream, chunk) => void heard.push(`${stream} ${chunk}`));
  attachment.stdin?.write('typed ');
  const io = new Streams();
  session.connect(io, { append: (_, chunk) => void heard.push(`log ${chunk}`) });
  attachment.stdin?.end('early');
  assert.equal(await text(io.stdin), 'typed early');
  void io.say('stdout', 'out');
  void io.say('stderr', 'err');
  session.end();
  await attachment.ended;
  assert.deepEqual(heard, ['log out', 'stdout out', 'log err', 'stderr err']);
});

test('only the streams that were asked for', async () => {
  const session = new Session(silent, true);
  const attachment = attachTo(session, {
    tty: false,
    wanted: { ...all, stdin: false, stdout: false },
    closesStdin: true,
  });
  assert.equal(attachment.stdin, undefined);
  const heard: string[] = [];
  attachment.subscribe((stream) => void heard.push(stream));
  const io = new Streams();
  session.connect(io);
  void io.say('stdout', 'x');
  void io.say('stderr', 'x');
  assert.deepEqual(heard, ['stderr']);
});

test('the slowest listener holds the process up', async () => {
  const session = new Session(silent, false);
  const io = new Streams();
  session.connect(io);
  const { promise, resolve } = Promise.withResolvers<void>();
  session.subscribe(() => promise);
  session.subscribe(() => undefined);
  const paused = io.say('stdout', 'x');
  assert.ok(paused instanceof Promise);
  resolve();
  await paused;
});

test('a client that shares the input with others goes without closing it', async () => {
  const session = new Session(silent, true);
  const io = new Streams();
  session.connect(io);
  io.stdin.on('finish', () => assert.fail('the input was closed'));
  const client = () => attachTo(session, { tty: true, wanted: all, closesStdin: false }).stdin;
  await new Promise<void>((resolve) => client()?.end('one ', resolve));
  await new Promise<void>((resolve) => client()?.end('two', resolve));
  let typed = '';
  for await (const chunk of io.stdin) {
    typed += String(chunk);
    if (typed.length >= 'one two'.length) break;
  }
  assert.equal(typed, 'one two');
});

test('a session that ends without a process ends its attachments, and takes no more input', async () => {
  const session = new Session(silent, true);
  const attachment = attachTo(session, { tty: false, wanted: all, closesStdin: true });
  session.end();
  await attachment.ended;
  await new Promise<void>((resolve) => attachment.stdin?.end('late', resolve));
});
