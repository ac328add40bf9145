import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EngineError } from '../../src/model/errors.ts';
import type { Sandbox } from '../../src/model/network.ts';
import { TABLES } from '../../src/store/rows.ts';
import { Store } from '../../src/store/store.ts';
import type { Random } from './random.ts';

/** SQLite's default page size, bytes */
const PAGE = 4096;
const TRANSACTIONS = 20;
const SUFFIXES = ['', '-wal'];

/** Stores with a damage somewhere: of a daemon that ended, and of one that was killed, whose last transactions are in the log. */
export class DamagedStores implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'fairway-damage-'));
  /** What was held after each transaction, each as one text */
  readonly #states: readonly string[];
  readonly #ended: string | undefined;

  constructor() {
    const states = write(this.#at('ended'), 0);
    this.#ended = states.at(-1);
    copyFileSync(this.#at('ended'), this.#at('work'));
    states.push(...write(this.#at('work'), 1, (path) => copyAll(path, this.#at('killed'))));
    this.#states = states;
  }

  /**
   * Damages one and opens it.
   * @returns whether it was refused
   * @throws AssertionError when it was neither refused as promised nor held what it had held after some transaction
   */
  try(random: Random): boolean {
    const path = this.#at('damaged');
    const killed = random.chance(2);
    copyAll(this.#at(killed ? 'killed' : 'ended'), path);
    const inLog = killed && random.chance(2);
    const what = damage(inLog ? `${path}-wal` : path, random);
    const told = `${killed ? 'killed' : 'ended'}${inLog ? ', its log' : ''}: ${what}`;
    try {
      using store = Store.open(path);
      // Of a damaged log the beginning counts, as after a power cut. Of a file nothing may be missing.
      const allowed = inLog ? this.#states : [killed ? this.#states.at(-1) : this.#ended];
      assert.ok(allowed.includes(stateOf(store)), `${told}: it holds what it never held`);
      return false;
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      assert.equal(error.kind, 'internal', told);
      assert.match(error.message, /^Cannot use \S+damaged\.db: /, told);
      assert.ok(existsSync(path), `${told}: the file is gone`);
      return true;
    }
  }

  #at(name: string): string {
    return join(this.#folder, `${name}.db`);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function copyAll(from: string, to: string): void {
  for (const suffix of SUFFIXES) {
    rmSync(to + suffix, { force: true });
    if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix);
  }
}

/** Some transactions of one run of a daemon. @param before what to do while the store is open still */
function write(path: string, run: number, before: (path: string) => void = () => undefined): string[] {
  using store = Store.open(path);
  const states: string[] = [];
  for (let index = 0; index < TRANSACTIONS; index++) {
    store.write({ put: { sandboxes: [sandbox(`${run}-${index}`), sandbox('changing', index)] } });
    states.push(stateOf(store));
    store.write({ remove: { sandboxes: index % 3 === 2 ? [`${run}-${index - 1}`] : [] } });
    states.push(stateOf(store));
    store.setMeta('last', `${run} ${index}`);
    states.push(stateOf(store));
  }
  before(path);
  return states;
}

/** Of a page and more, so that a table has many. */
function sandbox(id: string, size = 20): Sandbox {
  return { id, namespace: `sandbox:${id.padEnd(100 * size, id)}`, resolver: true };
}

function stateOf(store: Store): string {
  return JSON.stringify([TABLES.map((table) => store.rows(table)), store.meta('last')]);
}

/** What disks, memory and people do to files. @returns what was done */
function damage(path: string, random: Random): string {
  const bytes = readFileSync(path);
  const at = random.below(bytes.length);
  const page = at - (at % PAGE);
  const kinds: readonly (() => Buffer)[] = [
    () => bytes.fill((bytes[at] ?? 0) ^ (1 << random.below(8)), at, at + 1),
    () => bytes.fill(random.below(256), at, at + 1),
    () => bytes.fill(0, page, page + PAGE),
    () => bytes.fill(random.below(256), at, Math.min(at + random.below(512), bytes.length)),
    () => bytes.subarray(0, at),
    () => bytes.subarray(0, page),
    () => bytes.fill(bytes.subarray(0, PAGE), page, page + PAGE),
    () => Buffer.concat([bytes, bytes.subarray(at)]),
  ];
  const kind = random.below(kinds.length);
  writeFileSync(path, kinds[kind]?.() ?? bytes);
  return `damage ${kind} at ${at} of ${bytes.length}`;
}
