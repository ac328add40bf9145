import { type FSWatcher, realpathSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { HOST_RESOLV_CONF, readIfThere, SYSTEMD_RESOLV_CONF } from '../dns/hostresolv.ts';
import { errorMessage } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';

/** Milliseconds a change is given to become complete: who replaces a file makes several events */
const SETTLE = 30;
/** Milliseconds after which the files are read again when somebody asks: what inotify cannot see (a network file system) counts, too */
const MAX_AGE = 1_000;

const FILES = [HOST_RESOLV_CONF, SYSTEMD_RESOLV_CONF];

/**
 * Follows the host's resolver configuration: /etc/resolv.conf, wherever it leads, and what systemd-resolved writes. A laptop
 * changes its network while containers run.
 */
export class HostResolver implements Disposable {
  readonly #logger: Logger;
  readonly #files: readonly string[];
  readonly #listeners: (() => void)[] = [];
  #watchers: FSWatcher[] = [];
  #settling: NodeJS.Timeout | undefined;
  #text: string;
  #version = 0;
  #read = performance.now();

  /** @param files those that are followed; they need not be there */
  constructor(logger: Logger, files: readonly string[] = FILES) {
    this.#logger = logger;
    this.#files = files;
    this.#text = contents(files);
  }

  /** Begins to look. */
  watch(): void {
    this.#watchers = [...watched(this.#files)].flatMap(([path, names]) => this.#open(path, names));
  }

  /** @param listener told after what is in the files has changed, in a turn of its own */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Grows with each change. */
  version(): number {
    if (performance.now() - this.#read > MAX_AGE) this.#check();
    return this.#version;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#settling);
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }

  #open(path: string, names: ReadonlySet<string>): FSWatcher[] {
    try {
      const watcher = watch(path, { persistent: false }, (_event, name) => {
        if (name === null || names.has(name)) this.#settle();
      });
      // A folder that goes away is an end of its watch; its parent tells.
      watcher.on('error', () => this.#settle());
      return [watcher];
    } catch (error) {
      this.#logger.debug('a folder of the host’s resolver cannot be watched', { path, error: errorMessage(error) });
      return [];
    }
  }

  /** The watches are made anew: what was replaced is another file now, what was missing may be there. */
  #settle(): void {
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      this[Symbol.dispose]();
      this.watch();
      this.#check();
    }, SETTLE).unref();
  }

  #check(): void {
    this.#read = performance.now();
    const text = contents(this.#files);
    if (text === this.#text) return;
    this.#text = text;
    this.#version++;
    this.#logger.info('the host asks other name servers now, and so do the containers');
    setImmediate(() => {
      for (const listener of this.#listeners) listener();
    });
  }
}

function contents(files: readonly string[]): string {
  return files.map((path) => readSafely(path)).join('\0');
}

/** One that cannot be read at the moment has nothing to say. */
function readSafely(path: string): string {
  try {
    return readIfThere(path);
  } catch {
    return '';
  }
}

/** Folders with the names in them that concern us; and the files themselves, which may be mounted from elsewhere. */
function watched(files: readonly string[]): Map<string, Set<string>> {
  const all = new Map<string, Set<string>>();
  const add = (path: string, name: string) => all.set(path, (all.get(path) ?? new Set()).add(name));
  for (const file of files) {
    const real = realPath(file);
    if (real !== undefined) add(real, basename(real));
    for (const path of real === undefined ? [file] : [file, real]) {
      const [folder, missing] = nearestFolder(path);
      add(folder, missing);
    }
  }
  return all;
}

/** The folder a file is in, or the deepest of those above that exists, and the name that is looked for there. */
function nearestFolder(file: string): [string, string] {
  let [folder, name] = [dirname(file), basename(file)];
  while (folder !== '/' && realPath(folder) === undefined) [folder, name] = [dirname(folder), basename(folder)];
  return [folder, name];
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
