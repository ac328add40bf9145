/*
 * Loaded into a daemon under test before its own code (node --import): wraps the few doors by which it changes anything
 * outside of itself, and can end it at each passage. Nothing of this is in the product, and no passage is listed by hand:
 * a point is a door, the lines of the product that led there, and the how manyth passage of these.
 *
 * FAIRWAY_CRASH names a folder. While its file "armed" is there, every passage is noted in "points", and at the point the
 * file's second line names the process gets SIGKILL. The first line is another one each time, so that counts start anew.
 */
import childProcess from 'node:child_process';
import fs from 'node:fs';
import { ServerResponse } from 'node:http';
import http2 from 'node:http2';
import { syncBuiltinESMExports } from 'node:module';
import { join, relative } from 'node:path';
import { DatabaseSync, StatementSync } from 'node:sqlite';
import koffi from 'koffi';

type Method = (this: unknown, ...args: unknown[]) => unknown;
type Methods = Record<string, Method>;

const SOURCES = join(import.meta.dirname, '..', '..', 'src');
/** How many lines of the product name a point. */
const FRAMES = 6;
const folder = process.env['FAIRWAY_CRASH'] ?? '';
const armedFile = join(folder, 'armed');
const pointsFile = join(folder, 'points');

const { readFileSync, existsSync, appendFileSync } = fs;

let generation = '';
let noting = false;
const counts = new Map<string, number>();

/** A passage of a door; the process may end here. @param lines of the product that led here */
function passage(door: string, lines = caller()): void {
  if (noting || !existsSync(armedFile)) return;
  noting = true;
  const [first = '', victim = ''] = readFileSync(armedFile, 'utf8').split('\n');
  if (first !== generation) counts.clear();
  generation = first;
  const place = `${door} @ ${lines}`;
  const count = (counts.get(place) ?? 0) + 1;
  counts.set(place, count);
  const point = `${place}#${count}`;
  appendFileSync(pointsFile, `${point}\n`);
  noting = false;
  if (point === victim) process.kill(process.pid, 'SIGKILL');
}

/** The innermost lines of the product: "kernel/pins.ts:21 < kernel/netns.ts:40". */
function caller(): string {
  if (noting || !existsSync(armedFile)) return '';
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 30;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = limit;
  const lines = stack.split('\n').flatMap((line) => {
    const [, file = '', number = ''] = /(?:file:\/\/)?(\/[^:()]+\.ts):(\d+):\d+\)?$/.exec(line) ?? [];
    return file.startsWith(SOURCES) ? [`${relative(SOURCES, file)}:${number}`] : [];
  });
  return lines.slice(0, FRAMES).join(' < ');
}

/** Functions of this object pass a door of their name from now on. */
function guard(object: object, names: readonly string[], prefix = '', counted = (_args: unknown[]) => true): void {
  const methods = object as Methods;
  for (const name of names) {
    const original = methods[name];
    if (original === undefined) throw new Error(`there is no ${prefix}${name} to be wrapped`);
    const wrapped: Method = function (...args) {
      if (counted(args)) passage(prefix + name);
      return original.apply(this, args);
    };
    methods[name] = Object.defineProperties(wrapped, Object.getOwnPropertyDescriptors(original)) as Method;
  }
}

/** Of libc and libnftables: what others can see. Reading, and what concerns the process's own descriptors, ends with it. */
const NATIVE =
  /\b(?:(?:bind|listen|send|sendmmsg|mount|umount2|mkfifo|nft_run_cmd_from_buffer)(?=\()|pidfd_send_signal\b)/;

function guardNative(): void {
  const { load } = koffi;
  const guarded = (path: string | null) => {
    const library = load(path);
    const make = library.func.bind(library) as unknown as (prototype: string) => Method;
    const wrapped = (prototype: string) => {
      const native = make(prototype);
      const name = NATIVE.exec(prototype)?.[0];
      if (name === undefined) return native;
      return (...args: unknown[]) => {
        passage(name);
        return native(...args);
      };
    };
    return Object.defineProperty(library, 'func', { value: wrapped });
  };
  Object.assign(koffi, { load: guarded });
}

/** A call to containerd: before it is made, and when it is on its way and nobody will hear the answer. */
function guardContainerd(): void {
  const { connect } = http2;
  const guarded = (...args: Parameters<typeof connect>) => {
    const session = connect(...args);
    const { request } = session;
    session.request = (headers, options) => {
      const path = String((headers as http2.OutgoingHttpHeaders)[':path']).replace(/^.*\./, '');
      const lines = caller();
      passage(`call ${path}`, lines);
      const stream = request.call(session, headers, options);
      stream.once('finish', () => setImmediate(() => passage(`called ${path}`, lines)));
      return stream;
    };
    return session;
  };
  Object.assign(http2, { connect: guarded });
}

const FILES =
  'appendFile chmod chown copyFile cp link mkdir mkdtemp rename rm rmdir symlink truncate unlink utimes writeFile';

/** How long the store's log is each time SQLite has flushed it (sqlite.org/pragma.html#pragma_synchronous: FULL, or more). */
function noteFlushes(): void {
  const { exec, prepare, location } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function (sql) {
    exec.call(this, sql);
    if (sql !== 'COMMIT' || Number(prepare.call(this, 'PRAGMA synchronous').get()?.['synchronous']) < 2) return;
    appendFileSync(join(folder, 'flushed'), `${fs.statSync(`${location.call(this)}-wal`).size}\n`);
  };
}

/** Opening for reading alone is no change. */
function opensToWrite([, flags]: unknown[]): boolean {
  const { O_WRONLY, O_RDWR, O_CREAT } = fs.constants;
  return typeof flags === 'number' ? (flags & (O_WRONLY | O_RDWR | O_CREAT)) !== 0 : /[wa+]/.test(String(flags ?? 'r'));
}

function guardFiles(): void {
  const names = FILES.split(' ');
  guard(
    fs,
    names.map((name) => `${name}Sync`),
  );
  // The daemon's own log says what is done, and does nothing.
  guard(fs, ['writeSync'], '', ([descriptor]) => Number(descriptor) > 2);
  guard(fs, ['openSync'], '', opensToWrite);
  guard(fs.promises, names, 'promises.');
  guard(fs.promises, ['open'], 'promises.', opensToWrite);
}

if (folder !== '') {
  guardNative();
  guardContainerd();
  guardFiles();
  noteFlushes();
  guard(childProcess, ['spawn', 'spawnSync', 'execFile', 'execFileSync']);
  guard(DatabaseSync.prototype, ['exec'], 'sql ');
  guard(StatementSync.prototype, ['run'], 'sql ');
  guard(ServerResponse.prototype, ['end'], 'answer ');
  syncBuiltinESMExports();
}
