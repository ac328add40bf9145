import { performance } from 'node:perf_hooks';

/** One line of the benchmark. */
export interface Paired {
  readonly name: string;
  /** Of the medians; ms unless told */
  readonly unit?: string;
  /** What `theirs` is; Docker's figure unless told */
  readonly against?: string;
  /** Medians */
  readonly ours: number;
  readonly theirs?: number;
  /** Median of the pairwise ratios ours/theirs */
  readonly ratio?: number;
  /** What the ratio (unit "×") or our own figure (any other unit) must not exceed; with `least`, must reach */
  readonly bar?: { readonly limit: number; readonly unit: string; readonly least?: true };
}

export type Work = () => Promise<void>;

/** Milliseconds one call takes. */
export async function timed(work: Work): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? Number.NaN)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Runs A B A B …, so that a machine whose speed drifts treats both alike; one round of warm-up is not counted, nor what is done between rounds. */
export async function paired(
  name: string,
  ours: Work,
  theirs: Work | undefined,
  rounds: number,
  limit?: number,
  between: Work = async () => undefined,
): Promise<Paired> {
  const own: number[] = [];
  const other: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const a = await timed(ours);
    const b = theirs === undefined ? undefined : await timed(theirs);
    await between();
    if (round === 0) continue;
    own.push(a);
    if (b !== undefined) other.push(b);
  }
  const bar = limit === undefined ? {} : { bar: { limit, unit: '×' } };
  if (other.length === 0) return { name, ours: median(own), ...bar };
  return {
    name,
    ours: median(own),
    theirs: median(other),
    ratio: median(own.map((value, i) => value / (other[i] ?? Number.NaN))),
    ...bar,
  };
}

/** One line for people: name, both medians, the ratio and whether it holds its bar. */
export function row(result: Paired): string {
  const figure = (value: number | undefined) =>
    value === undefined ? '' : `${value.toFixed(1)}${result.unit === '/s' ? '' : ' '}${result.unit ?? 'ms'}`;
  const figures = [figure(result.ours), figure(result.theirs)];
  const ratio = result.ratio === undefined ? '' : `${result.ratio.toFixed(2)} ×`;
  const held = isHeld(result);
  const bar = result.bar === undefined ? '' : `bar ${result.bar.limit} ${result.bar.unit}`;
  const verdict = held === undefined ? '' : `${bar} ${held ? 'held' : 'MISSED'}`;
  return [result.name.padEnd(44), ...figures.map((text) => text.padStart(12)), ratio.padStart(9), verdict]
    .join('  ')
    .trimEnd();
}

/** Undefined: it has no bar, or nothing to compare with. */
export function isHeld({ ours, ratio, bar }: Paired): boolean | undefined {
  if (bar === undefined) return undefined;
  const figure = bar.unit === '×' ? ratio : ours;
  if (figure === undefined) return undefined;
  return bar.least === true ? figure >= bar.limit : figure <= bar.limit;
}
