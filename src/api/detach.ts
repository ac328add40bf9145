import { invalid } from './status.ts';

/** ctrl-p ctrl-q */
const DEFAULT_KEYS: readonly number[] = [16, 17];

export interface Typed {
  /** What goes on to the process */
  readonly bytes: Buffer;
  readonly detached: boolean;
}

/** Finds a sequence of keys in what a user types; the keys of a sequence that was begun are held back. */
export class DetachKeys {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[] = DEFAULT_KEYS) {
    this.#keys = keys;
  }

  /** After `detached` nothing more may be pushed: what was typed behind the keys is dropped, as in Docker. */
  push(chunk: Buffer): Typed {
    const bytes: number[] = [];
    for (const byte of chunk) {
      if (byte !== this.#keys[this.#matched]) {
        bytes.push(...this.#keys.slice(0, this.#matched));
        this.#matched = 0;
      }
      if (byte !== this.#keys[this.#matched]) bytes.push(byte);
      else if (++this.#matched === this.#keys.length) return { bytes: Buffer.from(bytes), detached: true };
    }
    return { bytes: Buffer.from(bytes), detached: false };
  }
}

/**
 * "ctrl-p,ctrl-q", "ctrl-a,x": keys separated by commas (moby: term.ToBytes). '' is Docker's default.
 * @throws EngineError invalidArgument
 */
export function parseDetachKeys(text: string): DetachKeys {
  if (text === '') return new DetachKeys();
  return new DetachKeys(text.split(',').map((key) => parseKey(key, text)));
}

/** One key: itself when it can be printed, else "ctrl-" and what Control is held with, A is 1. */
function parseKey(key: string, text: string): number {
  if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
  const [, control] = /^ctrl-([a-z@[\\\]^_])$/i.exec(key) ?? [];
  if (control === undefined) throw invalid(`Invalid detach keys (${text}) provided`);
  return control.toUpperCase().charCodeAt(0) - 64;
}
