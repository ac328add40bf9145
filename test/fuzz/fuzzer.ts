import { Session } from 'node:inspector';
import { mutateBytes, mutateJson } from './mutate.ts';
import { Random } from './random.ts';
import type { Target } from './target.ts';

/** Reading the counters costs a millisecond and more, so many cases share one reading; only when it shows something new are they run one by one. */
const BATCH = 64;
/** Inputs kept; beyond that the older half is thinned out */
const MAX_CORPUS = 2_000;

export interface Hunt {
  readonly seed: number;
  /** How many inputs are tried */
  readonly cases: number;
  /** Inputs beside the target's own seeds: what another hunt has found */
  readonly corpus?: readonly Buffer[];
  /** Sees each input before it is tried */
  readonly before?: (input: Buffer) => void;
}

/** An input the target dealt with in another way than it promises. */
export interface Defect {
  readonly input: Buffer;
  readonly thrown: unknown;
  /** How many inputs had been tried */
  readonly cases: number;
}

export interface Findings {
  readonly cases: number;
  /** What it began with, and inputs that led to places no earlier one had led to */
  readonly corpus: readonly Buffer[];
  /** Blocks of code that ran, of the files that are looked at, each with the magnitude of its count */
  readonly covered: number;
  readonly defect?: Defect;
}

/**
 * Tries inputs until one shows a defect or enough were tried. The same hunt finds the same again.
 * @param coverage begun before the target's code was first run; without it nothing guides
 */
export async function hunt(target: Target, order: Hunt, coverage?: Coverage): Promise<Findings> {
  const random = new Random(order.seed);
  const corpus = [...target.seeds, ...(order.corpus ?? [])];
  const mutate = target.shape === 'json' ? mutateJson : mutateBytes;
  const next = () => mutate(prefersNew(corpus, random), random.pick(corpus), random, target.words);
  let done = 0;
  let defect: Omit<Defect, 'cases'> | undefined;
  const attempt = async (input: Buffer) => {
    done++;
    order.before?.(input);
    defect ??= await defectOf(target, input);
  };
  for (const input of corpus) await attempt(input);
  while (defect === undefined && done < order.cases) {
    const batch = Array.from({ length: BATCH }, next);
    for (const input of batch) if (defect === undefined) await attempt(input);
    if (coverage === undefined || !coverage.showsNew()) continue;
    for (const input of batch) {
      await attempt(input);
      if (coverage.takesNew()) corpus.push(input);
    }
    thin(corpus, target.seeds.length);
  }
  const covered = coverage?.size ?? 0;
  return { cases: done, corpus, covered, ...(defect && { defect: { ...defect, cases: done } }) };
}

/** @returns undefined when the target does as it promises */
export async function defectOf(target: Target, input: Buffer): Promise<Omit<Defect, 'cases'> | undefined> {
  try {
    const running = target.run(input);
    if (running instanceof Promise) await running;
  } catch (thrown) {
    if (!target.refuses(thrown)) return { input: Buffer.from(input), thrown };
  }
  return undefined;
}

/** What was found last is the furthest in: half of the cases start there. */
function prefersNew(corpus: readonly Buffer[], random: Random): Buffer {
  return random.chance(2) ? random.pick(corpus) : random.pick(corpus.slice(-16));
}

function thin(corpus: Buffer[], seeds: number): void {
  if (corpus.length <= MAX_CORPUS) return;
  const kept = corpus.filter((_, index) => index < seeds || index > MAX_CORPUS / 2 || index % 2 === 0);
  corpus.splice(0, corpus.length, ...kept);
}

interface Block {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

/**
 * V8's precise coverage of the product's own files (inspector protocol, Profiler domain): counts of blocks since they were last read.
 * A block that runs twice as often is as good as a new one: so loops are unrolled, as in AFL. Code that ran before this began is known as
 * whole functions only.
 */
export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();
  /** Counts of whole batches are larger, and known apart */
  readonly #seenInBatches = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
    addAll(this.#seen, this.#take());
  }

  get size(): number {
    return this.#seen.size;
  }

  /** Whether a batch led anywhere that none had led before. */
  showsNew(): boolean {
    return addAll(this.#seenInBatches, this.#take());
  }

  /** Whether a single case did. */
  takesNew(): boolean {
    return addAll(this.#seen, this.#take());
  }

  #take(): string[] {
    const places: string[] = [];
    // Called before post() returns: the session is this thread's own
    this.#session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
      for (const { url, functions } of result) {
        if (!/\/(src|planted)[/.]/.test(url) || url.includes('node_modules')) continue;
        const ran = functions.filter(({ ranges }) => (ranges[0]?.count ?? 0) > 0);
        // A block that did not run says as much: V8 leaves out the one that ran as often as what is around it
        for (const { ranges } of ran) for (const range of ranges) places.push(placeOf(url, range));
      }
    });
    return places;
  }
}

function placeOf(url: string, { startOffset, endOffset, count }: Block): string {
  return `${url}:${startOffset}:${endOffset}:${Math.ceil(Math.log2(count + 1))}`;
}

/** @returns whether any was new */
function addAll(set: Set<string>, items: readonly string[]): boolean {
  const before = set.size;
  for (const item of items) set.add(item);
  return set.size > before;
}
