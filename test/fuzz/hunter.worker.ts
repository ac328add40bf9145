import { parentPort, workerData } from 'node:worker_threads';
import { Coverage, hunt } from './fuzzer.ts';
import type { HuntOrder, HuntReport } from './hunter.ts';
import type { Target } from './target.ts';

/** Tries what it is told to, and leaves each input where it can be seen when this thread does not come back from it. */
const { module, names, seed, cases, guided, corpus = [], shared }: HuntOrder = workerData;
const coverage = guided ? new Coverage() : undefined;
const { targets }: { readonly targets: readonly Target[] } = await import(module);
const state = new Int32Array(shared, 0, 2);
const place = new Uint8Array(shared, 8);

for (const name of names) {
  const target = targets.find((each) => each.name === name);
  if (target === undefined) throw new Error(`no target is called ${name}`);
  const before = (input: Buffer) => {
    place.set(input.subarray(0, place.length));
    state[1] = Math.min(input.length, place.length);
    Atomics.add(state, 0, 1);
  };
  const started = performance.now();
  const { defect, ...findings } = await hunt(
    target,
    { seed, cases, before, corpus: corpus.map((each) => Buffer.from(each)) },
    coverage,
  );
  const report: HuntReport = {
    ...findings,
    name,
    seconds: (performance.now() - started) / 1000,
    ...(defect && { defect: { input: defect.input, thrown: describe(defect.thrown) } }),
  };
  parentPort?.postMessage(report);
}

function describe(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
