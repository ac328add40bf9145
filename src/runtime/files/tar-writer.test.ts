import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { extract, type Header } from 'tar-stream';
import { type TarEntry, TarWriter } from './tar-writer.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fairway-tar-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const plain: TarEntry = { name: 'x', type: 'file', mode: 0o644, uid: 0, gid: 0, size: 0, modified: 1_700_000_000 };

/** Writes an archive of empty files. @returns its path */
function write(...entries: Partial<TarEntry>[]): string {
  const path = join(folder, 'test.tar');
  const file = openSync(path, 'w');
  const tar = new TarWriter(file);
  for (const entry of entries) tar.entry({ ...plain, ...entry });
  tar.end();
  closeSync(file);
  return path;
}

async function headers(path: string): Promise<Header[]> {
  const found: Header[] = [];
  const reader = extract();
  reader.end(readFileSync(path));
  for await (const entry of reader) {
    found.push(entry.header);
    entry.resume();
  }
  return found;
}

test('what ustar holds, and what it does not: long names, other alphabets, large numbers', async () => {
  const name = `${'directory/'.repeat(20)}file`;
  const bytes = Buffer.from('grüße').toString('latin1');
  const path = write(
    { name },
    { name: bytes, type: 'symlink', linkName: 'b'.repeat(300) },
    { name: 'huge', uid: 3_000_000_000, gid: 4_000_000 },
    { name: 'device', type: 'character', device: { major: 5, minor: 1 }, mode: 0o21600 },
  );
  const [long, link, huge, device] = await headers(path);
  assert.equal(long?.name, name);
  assert.deepEqual([link?.name, link?.linkname], ['grüße', 'b'.repeat(300)]);
  assert.deepEqual(huge?.pax, { uid: '3000000000', gid: '4000000' });
  assert.deepEqual(
    [device?.type, device?.devmajor, device?.devminor, device?.mode],
    ['character-device', 5, 1, 0o1600],
  );
});

test('GNU tar reads it, attributes and all', () => {
  const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
  const path = write(
    { name: 'ping', attributes: { 'security.capability': capability } },
    { name: 'd/', type: 'directory' },
  );
  const listing = execFileSync('tar', ['tvf', path, '--xattrs', '--xattrs-include=*', '--numeric-owner'], {
    encoding: 'utf8',
  });
  assert.match(listing, /^-\S+\* .* ping$/m);
  assert.match(listing, /^d\S+ +0\/0 .* d\/$/m);
});

test('a name that is no UTF-8 keeps its bytes', () => {
  const path = write({ name: 'a\xffb' });
  assert.ok(readFileSync(path).includes(Buffer.from([0x61, 0xff, 0x62])));
});
