import { closeSync, type FSWatcher, fstatSync, ftruncateSync, openSync, readSync, watch } from 'node:fs';
import type { Logger } from '../../model/logger.ts';

/** The file starts anew beyond this; containerd says little at its level. */
const MAX_BYTES = 1 << 20;

/**
 * containerd writes its log to a file, not into a pipe: it outlives us, and must neither block on a full pipe nor fail on
 * a broken one. New lines are passed on as they come.
 */
export class LogFollower implements Disposable {
  readonly #fd: number;
  readonly #logger: Logger;
  readonly #watcher: FSWatcher;
  #offset: number;
  #rest = '';

  constructor(path: string, logger: Logger) {
    this.#logger = logger;
    this.#fd = openSync(path, 'a+', 0o600);
    this.#offset = fstatSync(this.#fd).size;
    this.#watcher = watch(path, { persistent: false }, () => this.#drain());
  }

  /** For the child's stdout and stderr; opened for appending. */
  get fd(): number {
    return this.#fd;
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
    this.#drain();
    closeSync(this.#fd);
  }

  #drain(): void {
    const chunk = Buffer.alloc(16 << 10);
    for (let read = this.#read(chunk); read > 0; read = this.#read(chunk)) {
      const lines = (this.#rest + chunk.toString('utf8', 0, read)).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#logger.debug(`containerd: ${line}`);
    }
    if (this.#offset <= MAX_BYTES) return;
    ftruncateSync(this.#fd, 0);
    this.#offset = 0;
  }

  #read(chunk: Buffer): number {
    const read = readSync(this.#fd, chunk, 0, chunk.length, this.#offset);
    this.#offset += read;
    return read;
  }
}
