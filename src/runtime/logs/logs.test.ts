import assert from 'node:assert/strict';
import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Logger } from '../../model/logger.ts';
import { Checkpoint } from './checkpoint.ts';
import { formatTime, parseTime } from './clock.ts';
import { encodeEntries as encodeParts } from './entry.ts';
import { LINE_LIMIT, LineCutter } from './lines.ts';
import { LogFile } from './logfile.ts';
import { readLogFiles } from './reader.ts';
import type { LogQuery, LogRecord } from './record.ts';
import type { Rotation } from './settings.ts';

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const everything: LogQuery = { stdout: true, stderr: true, follow: false };
const newLog = () => mkdtempDisposable(join(tmpdir(), 'fairway-logs-'));

async function read(path: string, query: Partial<LogQuery> = {}): Promise<LogRecord[]> {
  return await Array.fromAsync(readLogFiles(path, { ...everything, ...query }, undefined));
}

function open(path: string, rotation: Rotation = { maxFiles: 1, compress: false }, logger: Logger = silent): LogFile {
  return new LogFile({ path, rotation, delivery: {}, attributes: {}, logger });
}

/** As it stands in the file. */
function encodeEntries(bytes: Buffer, stream: string, time: string): string {
  const { parts, encoding, size } = encodeParts(bytes, stream, time);
  const encoded = Buffer.from(parts.join(''), encoding);
  assert.equal(encoded.length, size);
  return encoded.toString();
}

const text = (records: readonly LogRecord[]) => records.map((record) => record.line.toString()).join('');

function entry(seconds: number, line: string, stream = 'stdout'): string {
  return encodeEntries(Buffer.from(line), stream, formatTime(BigInt(seconds) * 1_000_000_000n));
}

test('entries are spelled as Docker spells them', () => {
  const encoded = encodeEntries(
    Buffer.from('a "b" \\n <&>\t\b\f\u0001\u2028é\r\nnext\n'),
    'stderr',
    '2024-05-01T10:00:00.5Z',
  );
  const frame = '","stream":"stderr","time":"2024-05-01T10:00:00.5Z"}\n';
  const first = String.raw`a \"b\" \\n \u003c\u0026\u003e\t\u0008\u000c\u0001\u2028é\r\n`;
  assert.equal(encoded, `{"log":"${first}${frame}{"log":"next\\n${frame}`);
});

test('an unfinished line is an entry without a newline', () => {
  assert.equal(
    encodeEntries(Buffer.from('a\nb'), 'stdout', 'T').split('\n')[1],
    '{"log":"b","stream":"stdout","time":"T"}',
  );
});

test('every line of any text is an entry of its own that JSON reads back', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', '\n', '\\', '"', 'n', '<', '\b', 'ü', '😀', '\u2028') }),
      (body) => {
        const encoded = encodeEntries(Buffer.from(`${body}\n`), 'stdout', 'T');
        const logs = encoded
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line).log);
        assert.deepEqual(logs, `${body}\n`.match(/[^\n]*\n/g));
      },
    ),
  );
});

test('a stream is cut at newlines and at 16 KiB, never within a character', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 3 * LINE_LIMIT }), { maxLength: 4 }), fc.nat({ max: 9000 }), (lengths, step) => {
      const whole = Buffer.from(lengths.map((length) => `${'é'.repeat(length / 2)}\n`).join(''));
      const cutter = new LineCutter();
      const pieces: Buffer[] = [];
      for (let at = 0; at < whole.length; at += step + 1) pieces.push(...cutter.cut(whole.subarray(at, at + step + 1)));
      assert.equal(cutter.takeRest().length, 0);
      assert.ok(Buffer.concat(pieces).equals(whole));
      for (const piece of pieces) {
        assert.ok(piece.length <= LINE_LIMIT);
        assert.ok(!piece.toString().includes('\ufffd'));
        assert.ok(piece.at(-1) === 0x0a || piece.length >= LINE_LIMIT - 3);
      }
    }),
    { numRuns: 50 },
  );
});

test('what is written is what is read, however it came', async () => {
  const chunk = fc.tuple(fc.constantFrom('stdout', 'stderr'), fc.string({ unit: 'binary', maxLength: 200 }));
  const property = fc.asyncProperty(fc.array(chunk), fc.boolean(), async (chunks, newlines) => {
    await using directory = await newLog();
    const path = join(directory.path, 'log');
    const log = open(path);
    const wanted = { stdout: '', stderr: '' };
    for (const [stream, body] of chunks) {
      const written = newlines ? `${body}\n` : body;
      wanted[stream] += written;
      await log.append(stream, Buffer.from(written));
    }
    await log.close();
    assert.equal(text(await read(path, { stderr: false })), wanted.stdout);
    assert.equal(text(await read(path, { stdout: false })), wanted.stderr);
  });
  await fc.assert(property, { numRuns: 30 });
});

test('tail finds the last entries in a file of many blocks', async () => {
  await using directory = await newLog();
  const path = join(directory.path, 'log');
  const lines = Array.from({ length: 3000 }, (_, index) => `line ${index} ${'x'.repeat(index % 200)}\n`);
  await writeFile(path, lines.map((line, index) => entry(index, line)).join(''));
  for (const tail of [0, 1, 2, 999, 2999, 3000, 5000]) {
    assert.equal(text(await read(path, { tail })), tail === 0 ? '' : lines.slice(-tail).join(''), `tail ${tail}`);
  }
});

test('since and until include their own instant', async () => {
  await using directory = await newLog();
  const path = join(directory.path, 'log');
  await writeFile(path, [1, 2, 3, 4].map((second) => entry(second, `${second}\n`)).join(''));
  const from = (since: bigint, until: bigint) =>
    read(path, { since: since * 1_000_000_000n, until: until * 1_000_000_000n });
  assert.equal(text(await from(2n, 3n)), '2\n3\n');
  assert.equal(text(await from(5n, 9n)), '');
});

test('a log that was never written is empty', async () => {
  assert.deepEqual(await read('/nonexistent/fairway/log'), []);
});

test('an entry cut off by a crash is left out, and the next one is whole', async () => {
  await using directory = await newLog();
  const path = join(directory.path, 'log');
  await writeFile(path, `${entry(1, 'before\n')}{"log":"torn`);
  const log = open(path);
  await log.append('stdout', Buffer.from('after\n'));
  await log.close();
  assert.equal(text(await read(path)), 'before\nafter\n');
});

test('following sees what is appended, and ends with everything when told', async () => {
  await using directory = await newLog();
  const path = join(directory.path, 'log');
  const stop = new AbortController();
  const log = open(path);
  const follower = readLogFiles(path, { ...everything, follow: true, signal: stop.signal }, log);
  const first = follower.next();
  await log.append('stdout', Buffer.from('one\ntw'));
  assert.equal((await first).value?.line.toString(), 'one\n');
  await log.append('stdout', Buffer.from('o\nthree'));
  const second = await follower.next();
  assert.equal(second.value?.line.toString(), 'two\n');
  await log.close();
  stop.abort();
  assert.equal(text(await Array.fromAsync(follower)), 'three');
});

test('unfinished lines are written when the log is closed', async () => {
  await using directory = await newLog();
  const path = join(directory.path, 'log');
  const log = open(path);
  await log.append('stderr', Buffer.from('prompt> '));
  await log.flush();
  assert.equal(await readFile(path, 'utf8'), '');
  await log.close();
  await log.append('stderr', Buffer.from('too late\n'));
  await log.close();
  assert.match(await readFile(path, 'utf8'), /^\{"log":"prompt\\u003e ","stream":"stderr","time":"20.*Z"\}\n$/);
});

test('a disk that refuses is warned of once and stops nobody', async () => {
  const warnings: string[] = [];
  const log = open('/nonexistent/fairway/log', undefined, { ...silent, warn: (message) => warnings.push(message) });
  await log.append('stdout', Buffer.from('a\n'));
  await log.append('stdout', Buffer.from('b\n'));
  await log.close();
  assert.equal(warnings.length, 1);
});

test('times are read back as they were written', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n }), (nanoseconds) => {
      assert.equal(parseTime(formatTime(nanoseconds)), nanoseconds);
    }),
  );
  assert.equal(formatTime(1_500_000_000n), '1970-01-01T00:00:01.5Z');
  assert.equal(parseTime('yesterday'), undefined);
});

test('entries are found again over all files, however they turn over', async () => {
  const sizes = fc.array(fc.nat({ max: 400 }), { minLength: 1, maxLength: 60 });
  const property = fc.asyncProperty(sizes, fc.integer({ min: 100, max: 3000 }), async (lengths, maxSize) => {
    await using directory = await newLog();
    const path = join(directory.path, 'log');
    const lines = lengths.map((length, index) => `${index} ${'x'.repeat(length)}\n`);
    const log = open(path, { maxSize, maxFiles: 1000, compress: false });
    const stop = new AbortController();
    const following = Array.fromAsync(readLogFiles(path, { ...everything, follow: true, signal: stop.signal }, log));
    for (const line of lines) await log.append('stdout', Buffer.from(line));
    await log.close();
    stop.abort();
    assert.equal(text(await read(path)), lines.join(''));
    assert.equal(text(await read(path, { tail: 7 })), lines.slice(-7).join(''));
    // A follower is held to sixteen files it has not come to: what it has is in order, and nothing is doubled.
    const followed = text(await following);
    assert.ok(lines.join('').endsWith(followed.slice(followed.indexOf('\n') + 1)));
  });
  await fc.assert(property, { numRuns: 40 });
});

test('who goes on at a checkpoint cuts off what was written after it', async () => {
  await using directory = await newLog();
  const path = join(directory.path, 'log');
  const first = open(path);
  const kept = Checkpoint.create(join(directory.path, 'logged'));
  first.protect(kept);
  await first.append('stdout', Buffer.from('one\ntw'));
  await writeFile(path, entry(1, 'not noted any more\n'), { flag: 'a' });
  const found = Checkpoint.restore(join(directory.path, 'logged'));
  assert.ok(found);
  assert.equal(found.last.stdout, 'one\n'.length);
  const second = open(path);
  second.protect(found);
  await second.append('stdout', Buffer.from('two\n'));
  await second.close();
  assert.equal(text(await read(path)), 'one\ntwo\n');
});
