import assert from 'node:assert/strict';
import fs, { existsSync, type FSWatcher, mkdirSync, readFileSync, rmdirSync, watch, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CgroupMoves } from '../../src/runtime/process/cgroup-moves.ts';
import { legacyMounts } from '../../src/runtime/spec/cgroups.ts';

// Two groups of this process's own, in the hierarchy that is taken first: the first line of /proc/self/cgroup, or v2.
const [, name = ''] = /^\d+:([^:,]*)/.exec(readFileSync('/proc/self/cgroup', 'utf8')) ?? [];
const root = name === '' ? '/sys/fs/cgroup' : legacyMounts(readFileSync('/proc/self/mountinfo', 'utf8')).get(name);
assert(root !== undefined);
const home = join(root, /^\d+:[^:]*:(.*)$/m.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '');
const [first, second] = [join(root, `fairway-moves-${process.pid}-a`), join(root, `fairway-moves-${process.pid}-b`)];

function enter(group: string): void {
  writeFileSync(join(group, 'cgroup.procs'), String(process.pid));
}

function isIn(group: string): boolean {
  return readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').includes(String(process.pid));
}

/** How often somebody was moved into either group so far. What Node's own threads write elsewhere is not counted. */
let writes = 0;
const watchers: FSWatcher[] = [];

before(() => {
  for (const group of [first, second]) {
    mkdirSync(group);
    watchers.push(watch(join(group, 'cgroup.procs'), () => (writes += 1)));
  }
  enter(first);
});

after(() => {
  for (const watcher of watchers) watcher.close();
  enter(home);
  for (const group of [first, second]) if (existsSync(group)) rmdirSync(group);
});

test('moves are made while others are expected, and only then', async () => {
  using moves = new CgroupMoves();
  const begun = writes;
  const expected = [moves.expect(), moves.expect()];
  await sleep(300);
  const meanwhile = writes - begun;
  assert(meanwhile >= 3, `${meanwhile} writes`);
  expected[0]?.[Symbol.dispose]();
  await sleep(100);
  assert(writes - begun > meanwhile);
  expected[1]?.[Symbol.dispose]();
  await sleep(100);
  const over = writes;
  await sleep(100);
  assert.equal(writes, over);
  moves.expectFor(50);
  await sleep(300);
  assert(writes > over);
  const again = writes;
  await sleep(100);
  assert.equal(writes, again);
});

test('one more is made for who asks, while some are expected, and not beside many', async ({ mock }) => {
  const written = mock.method(fs, 'write');
  syncBuiltinESMExports();
  try {
    using moves = new CgroupMoves();
    // All in one turn, so that none of those that come by themselves is among them. inotify would join them.
    const asked = () => {
      const begun = written.mock.callCount();
      for (let times = 0; times < 40; times++) moves.renew();
      return written.mock.callCount() - begun;
    };
    assert.equal(asked(), 0);
    const expected = [moves.expect()];
    assert.equal(asked(), 40);
    while (expected.length < 6) expected.push(moves.expect());
    await sleep(100);
    assert.equal(asked(), 0);
    for (const one of expected) one[Symbol.dispose]();
  } finally {
    written.mock.restore();
    syncBuiltinESMExports();
  }
});

test('none are made where many are expected', async () => {
  using moves = new CgroupMoves();
  const expected = Array.from({ length: 6 }, () => moves.expect());
  await sleep(100);
  const begun = writes;
  await sleep(200);
  assert.equal(writes, begun);
  for (const one of expected.slice(2)) one[Symbol.dispose]();
  await sleep(200);
  assert(writes > begun);
  for (const one of expected.slice(0, 2)) one[Symbol.dispose]();
});

test('who moves this process elsewhere finds it there', async () => {
  using moves = new CgroupMoves();
  using _expected = moves.expect();
  await sleep(50);
  assert(isIn(first));
  enter(second);
  // What was written just now is told of by then.
  await sleep(10);
  const begun = writes;
  await sleep(300);
  assert(isIn(second));
  assert(writes - begun >= 3);
});

test('nothing is written when it is closed in the middle', async () => {
  const moves = new CgroupMoves();
  using _expected = moves.expect();
  await sleep(20);
  moves[Symbol.dispose]();
  await sleep(100);
  const over = writes;
  await sleep(100);
  assert.equal(writes, over);
});
