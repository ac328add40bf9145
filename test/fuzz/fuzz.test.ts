import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CORPUS } from './corpus.ts';
import { defectOf, hunt } from './fuzzer.ts';
import { type HuntReport, huntApart, inputOf, type Limits, shown } from './hunter.ts';
import { targets } from './targets/index.ts';

/** The long form is `npm run test:soak`: a million cases a parser. */
const CASES = 300;
const SEED = 1;

const planted = new URL('planted.ts', import.meta.url).href;

async function report(name: string, limits?: Limits): Promise<HuntReport> {
  const reports: HuntReport[] = [];
  const order = { module: planted, names: [name], seed: SEED, cases: 200_000, guided: true };
  await huntApart(order, (one) => reports.push(one), limits);
  assert.ok(reports[0]);
  return reports[0];
}

test('every parser at an edge takes a bounded set of hostile inputs', async () => {
  for (const target of targets) {
    const { defect } = await hunt(target, { seed: SEED, cases: CASES });
    assert.equal(defect && `${target.name} ${shown(defect.input)}: ${defect.thrown}`, undefined);
  }
});

test('what once showed a defect shows none any more', async () => {
  for (const [name, input] of CORPUS) {
    const target = targets.find((each) => each.name === name);
    assert.ok(target, name);
    const defect = await defectOf(target, inputOf(input));
    assert.equal(defect && `${name} ${input}: ${defect.thrown}`, undefined);
  }
});

test('coverage leads to a planted defect behind four bytes, each one in 256', async () => {
  const { defect } = await report('stages');
  assert.match(defect?.thrown ?? '', /^TypeError: planted/);
  assert.deepEqual([...(defect?.input ?? [])].slice(0, 4), [0x46, 0x57, 0xc0, 0x0c]);
});

test('a planted mistake about types, a loop without end and memory without bound are found', async () => {
  assert.match((await report('type')).defect?.thrown ?? '', /^TypeError/);
  assert.match((await report('endless', { heap: 64, patience: 2 })).defect?.thrown ?? '', /does not come back/);
  assert.match((await report('memory', { heap: 64, patience: 60 })).defect?.thrown ?? '', /takes more than/);
});
