import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import { type HuntReport, huntApart, shown } from '../fuzz/hunter.ts';
import { targets } from '../fuzz/targets/index.ts';

/** A parser; FAIRWAY_FUZZ_CASES and FAIRWAY_FUZZ_SEED ask for others, FAIRWAY_FUZZ_ONLY for some parsers: "dns/" */
const CASES = Number(process.env['FAIRWAY_FUZZ_CASES'] ?? 1_000_000);
const SEED = Number(process.env['FAIRWAY_FUZZ_SEED'] ?? 1);
const ONLY = process.env['FAIRWAY_FUZZ_ONLY'] ?? '';
/** Of them, guided by coverage: they make the corpus from which the others are drawn */
const GUIDED = 20_000;

const module = new URL('../fuzz/targets/index.ts', import.meta.url).href;

async function report(name: string, order: Pick<Parameters<typeof huntApart>[0], 'cases' | 'guided' | 'corpus'>) {
  const reports: HuntReport[] = [];
  await huntApart({ module, names: [name], seed: SEED, ...order }, (one) => reports.push(one));
  const [found] = reports;
  assert.ok(found);
  assert.equal(found.defect && `${name} ${shown(found.defect.input)}: ${found.defect.thrown}`, undefined);
  return found;
}

test('a million hostile inputs a parser', { concurrency: availableParallelism() }, async (t) => {
  const hunts = targets
    .filter(({ name }) => name.includes(ONLY))
    .map(({ name }) =>
      t.test(name, async (each) => {
        const guided = await report(name, { cases: Math.min(GUIDED, CASES), guided: true });
        const plain = await report(name, { cases: CASES, guided: false, corpus: guided.corpus });
        const rate = Math.round(plain.cases / plain.seconds);
        const counts = `${guided.corpus.length} inputs kept, ${guided.covered} blocks covered`;
        each.diagnostic(`${name}: ${guided.cases + plain.cases} cases, ${counts}, ${rate}/s`);
      }),
    );
  await Promise.all(hunts);
});
