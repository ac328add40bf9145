import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'node:test';
import { crc32 } from 'node:zlib';
import { EngineError } from '../model/errors.ts';
import type { Sandbox } from '../model/network.ts';
import { Store } from './store.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fairway-store-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const path = () => join(folder, 'deep', 'fairway.db');
const sandbox = (id: string, resolver = false): Sandbox => ({ id, namespace: `sandbox:${id}`, resolver });

test('what was written is read again, in the order it came', () => {
  const store = Store.open(path());
  store.write({ put: { sandboxes: [sandbox('b'), sandbox('a')] } });
  store.write({ put: { sandboxes: [sandbox('c')] }, remove: { sandboxes: ['b'] } });
  store.setMeta('id', 'x');
  store.setMeta('id', 'y');
  store.close();
  using again = Store.open(path());
  assert.deepEqual(again.rows('sandboxes'), [sandbox('a'), sandbox('c')]);
  assert.equal(again.meta('id'), 'y');
  assert.equal(again.meta('nothing'), undefined);
});

test('a transaction that fails leaves nothing', () => {
  using store = Store.open(path());
  const cyclic: Record<string, unknown> = { id: 'z' };
  cyclic['self'] = cyclic;
  assert.throws(() => store.write({ put: { sandboxes: [sandbox('a'), cyclic as unknown as Sandbox] } }), EngineError);
  assert.deepEqual(store.rows('sandboxes'), []);
  store.write({ put: { sandboxes: [sandbox('a')] } });
  assert.equal(store.rows('sandboxes').length, 1);
});

test('a second daemon is kept out', () => {
  using _store = Store.open(path());
  assert.throws(() => Store.open(path()), { kind: 'unavailable', message: /another daemon has it open/ });
});

test('a file of a newer version, of another program, or no database at all is refused and named', () => {
  Store.open(path()).close();
  const raise = new DatabaseSync(path());
  raise.exec('PRAGMA user_version = 99');
  raise.close();
  assert.throws(() => Store.open(path()), /deep\/fairway\.db: it was written by a newer Fairway \(it has version 99/);
  const lower = new DatabaseSync(path());
  lower.exec('PRAGMA user_version = 1');
  lower.close();
  assert.throws(() => Store.open(path()), /it was written by an older Fairway \(it has version 1, /);
  const foreign = new DatabaseSync(join(folder, 'foreign.db'));
  foreign.exec('CREATE TABLE t (x)');
  foreign.close();
  assert.throws(() => Store.open(join(folder, 'foreign.db')), /of another program/);
  writeFileSync(join(folder, 'text.db'), 'no database, and long enough to be told from an empty one\n'.repeat(40));
  assert.throws(() => Store.open(join(folder, 'text.db')), /the file is damaged/);
});

test('a row that lost a field is named', () => {
  Store.open(path()).close();
  const meddle = new DatabaseSync(path());
  const json = '{"id":"a","namespace":"sandbox:a"}';
  const sum = crc32(`sandboxes\0a\0${json}`);
  meddle.prepare('INSERT INTO sandboxes VALUES (?, ?, ?)').run('a', json, sum);
  meddle.close();
  using store = Store.open(path());
  assert.throws(() => store.rows('sandboxes'), /sandboxes a: "resolver" is no boolean/);
});

test('what is refused is left as it was, byte for byte', () => {
  Store.open(path()).close();
  const raise = new DatabaseSync(path());
  raise.exec('PRAGMA user_version = 99');
  raise.close();
  const foreign = join(folder, 'foreign.db');
  const other = new DatabaseSync(foreign);
  other.exec('CREATE TABLE t (x)');
  other.close();
  for (const file of [path(), foreign]) {
    const before = readFileSync(file);
    assert.throws(() => Store.open(file), { kind: 'internal' });
    assert.ok(readFileSync(file).equals(before), file);
  }
});

test('a text that was changed in the file is found, though SQLite sees nothing wrong', () => {
  const store = Store.open(path());
  store.write({ put: { sandboxes: [sandbox('abcdefgh')] } });
  store.close();
  const bytes = readFileSync(path());
  const at = bytes.indexOf('sandbox:abcdefgh');
  bytes[at + 10] = 0x78;
  writeFileSync(path(), bytes);
  using again = Store.open(path());
  assert.throws(
    () => again.rows('sandboxes'),
    /the file is damaged \(sandboxes abcdefgh: its text is not what was written\); move it and/,
  );
});

test('a file that was emptied, or whose log is left alone, is no new one', () => {
  using store = Store.open(path());
  store.write({ put: { sandboxes: [sandbox('a')] } });
  const copy = join(folder, 'copy.db');
  for (const suffix of ['', '-wal']) copyFileSync(path() + suffix, copy + suffix);
  truncateSync(copy, 0);
  assert.throws(() => Store.open(copy), /the file is damaged \(it is no SQLite file, or its beginning is lost\)/);
  rmSync(copy);
  assert.throws(() => Store.open(copy), /its log is there, and the file itself is not/);
  rmSync(`${copy}-wal`);
  Store.open(copy).close();
});
