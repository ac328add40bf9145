import { memoryUsage } from 'node:process';
import { releaseFreed } from '../kernel/malloc.ts';

/** Milliseconds between looks. */
const PERIOD = 5000;
/** And before a second collection */
const SOON = 1000;
/** Milliseconds of processor within a period: who uses less is idle. */
const IDLE = 100;
/** Bytes of rubbish that are worth the 50 to 100 ms a collection takes. */
const WORTH = 4 << 20;

/** What is looked at. */
interface Reading {
  /** Milliseconds of processor since the process began */
  readonly processor: number;
  /** Bytes of the heap and of buffers outside of it, rubbish included */
  readonly used: number;
}

/**
 * V8 collects what is old when the heap grows, so after much work it leaves rubbish until there is work again: a daemon that waits
 * would hold a quarter more than it needs, for hours. This collects when nothing is to be done.
 */
export class IdleMemory {
  readonly #read: () => Reading;
  readonly #collect: () => void;
  #processor = Number.NEGATIVE_INFINITY;
  /** Bytes that were left by the last collection */
  #left = 0;
  /** The last collection was a first one: another gathers what lives on pages that are half empty since (2 of 97 MiB after much work) */
  #unsettled = false;

  constructor(read: () => Reading, collect: () => void) {
    this.#read = read;
    this.#collect = collect;
  }

  /** @returns whether a second collection is due soon */
  look(): boolean {
    const { processor, used } = this.#read();
    const idle = processor - this.#processor < IDLE;
    this.#processor = processor;
    if (!idle) return false;
    const worth = used - this.#left >= WORTH;
    if (!worth && !this.#unsettled) return false;
    this.#unsettled = worth;
    this.#collect();
    const after = this.#read();
    this.#left = after.used;
    // What it took to collect is no work.
    this.#processor = after.processor;
    return this.#unsettled;
  }
}

/** Looks from time to time, where the process was started with --expose-gc. No reason for it to stay. */
export function collectWhenIdle(): void {
  const { gc } = globalThis;
  if (gc === undefined) return;
  const memory = new IdleMemory(read, () => {
    // V8's last resort gives back pages that an ordinary collection keeps (7 of 115 MiB after much work); then libc what it holds.
    gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    setImmediate(releaseFreed);
  });
  const look = () => {
    if (memory.look()) setTimeout(look, SOON).unref();
  };
  setInterval(look, PERIOD).unref();
}

function read(): Reading {
  const { user, system } = process.cpuUsage();
  const { heapUsed, external } = memoryUsage();
  return { processor: (user + system) / 1000, used: heapUsed + external };
}
