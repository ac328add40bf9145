import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkEntry, TarGuard } from './tar-guard.ts';

function entry(type: string, size: number): Buffer {
  const header = Buffer.alloc(512);
  header.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  header.write(type, 156);
  return Buffer.concat([header, Buffer.alloc(Math.ceil(size / 512) * 512, 'x')]);
}

function check(tar: Buffer, chunk: number): void {
  const guard = new TarGuard();
  for (let at = 0; at < tar.length; at += chunk) guard.check(tar.subarray(at, at + chunk));
}

test('files may be of any length, descriptions of files may not', () => {
  const fine = Buffer.concat([entry('x', 1 << 20), entry('0', 3 << 20), entry('L', 700), entry('5', 0)]);
  for (const chunk of [100, 512, 4096, 1 << 30]) {
    check(Buffer.concat([fine, Buffer.alloc(1024)]), chunk);
    for (const type of ['x', 'g', 'L', 'K']) {
      const words = { kind: 'invalidArgument', message: 'archive/tar: header field too long' };
      assert.throws(() => check(Buffer.concat([fine, entry(type, (1 << 20) + 1)]), chunk), words);
    }
  }
});

test('a length in GNU’s binary form is read, too', () => {
  const header = entry('x', 0);
  header[124] = 0x80;
  header.writeBigUInt64BE(1n << 33n, 128);
  assert.throws(() => check(header, 512), /header field too long/);
});

test('what is no length is refused: the entry would never end', () => {
  const words = { kind: 'invalidArgument', message: 'archive/tar: invalid tar header' };
  for (const type of ['0', 'x']) {
    for (const size of ['\xb00000000002', '-0000000001', '00000000z02', 'NaN']) {
      const header = entry(type, 0);
      header.write(size.padEnd(12, '\0'), 124, 'latin1');
      assert.throws(() => check(header, 512), words, size);
    }
  }
  for (const size of [Number.NaN, null as unknown as number, -1, 2 ** 60])
    assert.throws(() => checkEntry({ size }), words);
  for (const header of [{}, { size: 0 }, { size: 2 ** 40 }]) checkEntry(header);
});
