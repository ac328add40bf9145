import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { Sandbox } from '../model/network.ts';
import { Store } from './store.ts';

/*
 * A power cut loses what was not flushed: of the log any part of its end, in the order the disk liked; of the database, while
 * the log is copied into it, any page. What is read afterwards is the state before a transaction or after it.
 */

/** sqlite.org/fileformat2.html, "The WAL File": a header, then frames of a header and a page each. */
const LOG_HEADER = 32;
const PAGE = 4096;
const FRAME = 24 + PAGE;

let folder = '';
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'fairway-power-'));
});
after(() => rmSync(folder, { recursive: true }));

/** Several pages each, so that a transaction is several frames. */
const row = (id: number, size: number): Sandbox => ({
  id: `s${id}`,
  namespace: `sandbox:${'x'.repeat(size)}`,
  resolver: true,
});

interface Files {
  readonly database: Buffer;
  readonly log: Buffer;
}

const read = (path: string): Files => ({ database: readFileSync(path), log: readFileSync(`${path}-wal`) });

/** What a daemon that starts with these files finds: the rows' ids and sizes. */
function found({ database, log }: Files): string {
  const path = join(folder, 'after.db');
  writeFileSync(path, database);
  writeFileSync(`${path}-wal`, log);
  using store = Store.open(path);
  return describe(store);
}

function describe(store: Store): string {
  return store
    .rows('sandboxes')
    .map(({ id, namespace }) => `${id} ${namespace.length}`)
    .join();
}

test('a log torn at any frame, or in the middle of one, is the state before or after its last transaction', () => {
  const path = join(folder, 'torn.db');
  using store = Store.open(path);
  store.write({ put: { sandboxes: [row(1, 100), row(2, 9000)] } });
  const earlier = { state: describe(store), log: read(path).log.length };
  store.write({ put: { sandboxes: [row(3, 20_000), row(1, 5000)] }, remove: { sandboxes: ['s2'] } });
  const later = describe(store);
  const { database, log } = read(path);
  const frames = (log.length - earlier.log) / FRAME;
  assert.ok(Number.isInteger(frames) && frames >= 5, `the transaction has ${frames} frames`);
  assert.equal(found({ database, log }), later);
  for (let frame = 0; frame < frames; frame++) {
    const start = earlier.log + frame * FRAME;
    for (const cut of [start, start + 12, start + FRAME / 2, start + FRAME - 1]) {
      assert.equal(found({ database, log: log.subarray(0, cut) }), earlier.state, `cut at ${cut}`);
    }
    // Frames that came to the disk later may be there while this one is not.
    const hole = Buffer.from(log);
    hole.fill(0, start, start + FRAME);
    assert.equal(found({ database, log: hole }), earlier.state, `without frame ${frame}`);
    hole.fill(0xa5, start, start + PAGE / 2);
    assert.equal(found({ database, log: hole }), earlier.state, `with rubbish in frame ${frame}`);
  }
});

test('a power cut while the log is copied into the database loses nothing', () => {
  const path = join(folder, 'copied.db');
  const store = Store.open(path);
  store.write({ put: { sandboxes: [row(1, 9000), row(2, 9000)] } });
  store.write({ put: { sandboxes: [row(3, 9000)] }, remove: { sandboxes: ['s1'] } });
  const state = describe(store);
  const { database: old, log } = read(path);
  store.close(); // The last one to close copies the log.
  const copied = readFileSync(path);
  assert.notDeepEqual(copied, old);
  const pages = copied.length / PAGE;
  const grown = Buffer.concat([old, Buffer.alloc(copied.length - old.length)]);
  for (let page = 0; page < pages; page++) {
    const at = [page * PAGE, (page + 1) * PAGE] as const;
    const missing = Buffer.from(copied);
    grown.copy(missing, at[0], ...at);
    assert.equal(found({ database: missing, log }), state, `without page ${page}`);
    const torn = Buffer.from(old.length > at[0] ? old : grown);
    copied.copy(torn, at[0], at[0], at[0] + PAGE / 2);
    assert.equal(found({ database: torn, log }), state, `with half of page ${page}`);
  }
});

test('after any transactions and any cut, what is read is the state after one of them, and later for a later cut', () => {
  const change = fc.record({ id: fc.nat(5), size: fc.nat(9000), remove: fc.nat(5) });
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), cuts, (changes, where) => {
      const path = join(folder, 'any.db');
      for (const file of [path, `${path}-wal`]) rmSync(file, { force: true });
      const made = Store.open(path);
      const states = [describe(made)];
      const first = read(path).log.length;
      for (const { id, size, remove } of changes) {
        made.write({ put: { sandboxes: [row(id, size)] }, remove: { sandboxes: [`s${remove}`] } });
        states.push(describe(made));
      }
      const files = read(path);
      made.close();
      let reached = 0;
      for (const part of where.toSorted((a, b) => a - b)) {
        const cut = Math.max(first, LOG_HEADER, Math.floor(part * files.log.length));
        const state = found({ database: files.database, log: files.log.subarray(0, cut) });
        const at = states.indexOf(state, reached);
        assert.ok(at >= 0, `a cut at ${cut} of ${files.log.length}: ${state}`);
        reached = states.indexOf(state);
      }
    }),
    { numRuns: 40 },
  );
});

test('with an empty log, it is the state of the database alone', () => {
  const path = join(folder, 'without.db');
  const store = Store.open(path);
  store.write({ put: { sandboxes: [row(1, 100)] } });
  const state = describe(store);
  store.close();
  assert.equal(found({ database: readFileSync(path), log: Buffer.alloc(0) }), state);
});
