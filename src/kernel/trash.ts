import { once } from 'node:events';
import { extname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { errorMessage } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { NetworkNamespace } from './netns.ts';
import { BatchError, RouteSocket, TRASH_GROUP } from './rtnetlink.ts';

/** Milliseconds. Discards that follow each other closely share one deletion: it costs the same for one as for many. */
const COLLECT = 100;
/** Milliseconds a worker that has nothing to do is kept: it holds 13 MB, and starting one takes 30 ms in the background. */
const KEEP = 5000;

/**
 * Deletes links without keeping the caller waiting: some 20 ms for one, because the kernel waits until no processor can
 * still hold it (rcu_barrier). A discarded link is at once down, no port of a bridge, renamed and in the trash group; the
 * whole group is deleted soon after, in a worker thread. What a killed process left in the group goes with it.
 */
export class LinkBin {
  readonly #namespace: NetworkNamespace;
  readonly #logger: Logger;
  readonly #socket: RouteSocket;
  #worker: Worker | undefined;
  #full = false;
  #retirement: NodeJS.Timeout | undefined;
  #emptying: Promise<void> | undefined;

  constructor(options: { readonly logger: Logger; readonly namespace?: NetworkNamespace }) {
    this.#namespace = options.namespace ?? NetworkNamespace.home();
    this.#logger = options.logger;
    this.#socket = new RouteSocket(this.#namespace);
  }

  /**
   * @param links indices; links that are gone already are fine. Without any, what is in the bin is deleted all the same
   * @throws BatchError when a link cannot be taken out of service
   */
  discard(...links: readonly number[]): void {
    const batch = this.#socket.batch();
    for (const link of links) {
      batch.setLink(link, { up: false, master: 0, group: TRASH_GROUP });
      batch.setLink(link, { name: `fwtrash${link}` }); // its name is free for a successor at once
    }
    try {
      batch.send();
    } catch (error) {
      if (!isGone(error)) throw error;
    } finally {
      this.#full = true;
      this.#emptying ??= this.#empty();
    }
  }

  /** Resolves when everything discarded so far is deleted. */
  async idle(): Promise<void> {
    await this.#emptying;
  }

  /** Finishes what is under way. Nothing may be discarded afterwards. */
  async close(): Promise<void> {
    await this.idle();
    await this.#retire();
    this.#socket[Symbol.dispose]();
  }

  async #empty(): Promise<void> {
    clearTimeout(this.#retirement);
    while (this.#full) {
      await sleep(COLLECT);
      this.#full = false;
      try {
        await this.#delete();
      } catch (error) {
        this.#logger.warn('discarded links remain until the next one', { error: errorMessage(error) });
      }
    }
    this.#emptying = undefined;
    this.#retirement = setTimeout(() => void this.#retire(), KEEP).unref();
  }

  async #retire(): Promise<void> {
    clearTimeout(this.#retirement);
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }

  #hire(workerData: TrashWorkerData): Worker {
    const worker = new Worker(join(import.meta.dirname, `trash.worker${extname(import.meta.filename)}`), {
      workerData,
    });
    // Whoever waits for an answer hears of it, too; an idle one that breaks is only replaced.
    worker.on('error', () => {
      if (this.#worker === worker) this.#worker = undefined;
    });
    return worker;
  }

  /** The worker is started at the first need, and keeps the process alive only while it deletes. */
  async #delete(): Promise<void> {
    const workerData: TrashWorkerData = { namespace: `/proc/self/fd/${this.#namespace.fd}` };
    this.#worker ??= this.#hire(workerData);
    const worker = this.#worker;
    worker.ref();
    try {
      worker.postMessage('empty');
      const [failure]: (string | undefined)[] = await once(worker, 'message');
      if (failure !== undefined) throw new Error(failure);
    } catch (error) {
      // Dead or not: the next deletion begins with a new one, which answers.
      if (this.#worker === worker) this.#worker = undefined;
      void worker.terminate();
      throw error;
    } finally {
      worker.unref();
    }
  }
}

/** What the worker is started with. It answers every message with undefined, or with the words of an error. */
export interface TrashWorkerData {
  /** Path of the network namespace */
  readonly namespace: string;
}

function isGone(error: unknown): boolean {
  return error instanceof BatchError && [...error.failures.values()].every(({ code }) => code === 'ENODEV');
}
