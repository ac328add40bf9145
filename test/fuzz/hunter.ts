import { setInterval as every } from 'node:timers';
import { Worker } from 'node:worker_threads';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Findings } from './fuzzer.ts';

export interface Limits {
  /** MiB the target's thread may take: its own code, its corpus, and what one case needs */
  readonly heap: number;
  /** Seconds after which one case counts as one that never ends. Generous: the machine may be doing other things. */
  readonly patience: number;
}

const LIMITS: Limits = { heap: 512, patience: 30 };
const SHARED = 1 << 16;
/** Exit code of a thread that awaits what can no longer come (Node's process.html, "Exit codes") */
const UNSETTLED = 13;

export interface HuntOrder {
  /** URL of what exports `targets` */
  readonly module: string;
  /** Of the targets, tried one after the other */
  readonly names: readonly string[];
  readonly seed: number;
  readonly cases: number;
  /** By coverage. Code that is watched runs slower, so the long hunt begins with the corpus of a short one that is guided */
  readonly guided: boolean;
  readonly corpus?: readonly Uint8Array[];
  /** Number of inputs so far (4 bytes), length of the present one (4), its bytes */
  readonly shared: SharedArrayBuffer;
}

export interface HuntReport extends Omit<Findings, 'defect' | 'corpus'> {
  readonly corpus: readonly Uint8Array[];
  readonly name: string;
  readonly seconds: number;
  readonly defect?: { readonly input: Uint8Array; readonly thrown: string };
}

/**
 * Hunts in a thread of its own, so that an input on which a target never returns, or takes all memory, is found like any other defect.
 * @param told of each target when it is done with
 */
export async function huntApart(
  order: Omit<HuntOrder, 'shared'>,
  told: (report: HuntReport) => void,
  { heap, patience } = LIMITS,
): Promise<void> {
  const shared = new SharedArrayBuffer(SHARED);
  const state = new Int32Array(shared, 0, 2);
  const waiting = [...order.names];
  const worker = new Worker(new URL('hunter.worker.ts', import.meta.url), {
    workerData: { ...order, shared } satisfies HuntOrder,
    resourceLimits: { maxOldGenerationSizeMb: heap },
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const fail = (thrown: string) => {
    const input = Buffer.from(new Uint8Array(shared, 8, state[1] ?? 0));
    told({
      name: waiting[0] ?? '',
      cases: state[0] ?? 0,
      corpus: [],
      covered: 0,
      seconds: 0,
      defect: { input, thrown },
    });
  };
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  let seen = -1;
  let still = 0;
  const watch = every(() => {
    const now = Atomics.load(state, 0);
    still = now === seen && now > 0 ? still + 1 : 0;
    seen = now;
    if (still < patience) return;
    clearInterval(watch);
    fail(`it does not come back within ${patience} s`);
    void worker.terminate();
  }, 1_000);
  worker.on('message', (report: HuntReport) => {
    waiting.shift();
    told(report);
  });
  worker.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') fail(`it takes more than ${heap} MiB`);
    else reject(error);
  });
  worker.on('exit', (code) => {
    if (code === UNSETTLED) fail('what it promised is never settled');
    resolve();
  });
  await ended.finally(() => clearInterval(watch));
}

/** As one line of text; what is no text is packed. */
export function shown(input: Uint8Array): string {
  const text = Buffer.from(input).toString('utf8');
  return Buffer.from(text).equals(input) && !/\0{8}/.test(text)
    ? JSON.stringify(text)
    : `base64 ${deflateRawSync(input).toString('base64')}`;
}

/** What was shown, or any text. */
export function inputOf(text: string): Buffer {
  const [, packed] = /^base64 (.*)$/.exec(text) ?? [];
  if (packed !== undefined) return inflateRawSync(Buffer.from(packed, 'base64'));
  return Buffer.from(text);
}
