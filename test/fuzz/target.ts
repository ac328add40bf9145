import { statusOf } from '../../src/api/status.ts';
import { errorMessage } from '../../src/model/errors.ts';

/** What is fuzzed: a parser at an edge, and what may come of it. */
export interface Target {
  /** "dns/query" */
  readonly name: string;
  /** How its inputs are changed: `json` as values, `bytes` as they are (texts, too) */
  readonly shape: 'bytes' | 'json';
  /** Whole inputs the hunt begins with */
  readonly seeds: readonly Buffer[];
  /** Words of its language, which chance would not find */
  readonly words: readonly string[];
  /** Returns for what is taken. Whatever it throws but what `refuses` names is a defect; so is a property that does not hold */
  readonly run: (input: Buffer) => unknown;
  /** Whether it is the refusal its documentation speaks of */
  readonly refuses: (thrown: unknown) => boolean;
}

/**
 * The client's fault: what a parser of the API may say. An internal error is the daemon's; words that show a function are those of a
 * table that was asked for what every object has.
 */
export function isClientError(thrown: unknown): boolean {
  if (errorMessage(thrown).includes('[native code]')) return false;
  const status = statusOf(thrown);
  return (status >= 400 && status < 500) || status === 501;
}

type Refusal = Target['refuses'];
const nothing: Refusal = () => false;

/** A parser of texts. @param words separated by spaces */
export function ofText(
  name: string,
  run: (text: string) => unknown,
  seeds: readonly string[],
  words = '',
  refuses: Refusal = isClientError,
): Target {
  const all = { seeds: seeds.map((seed) => Buffer.from(seed)), words: words.split(' ').filter(Boolean) };
  return { name, shape: 'bytes', ...all, run: (input) => run(input.toString()), refuses };
}

export function ofBytes(
  name: string,
  run: (bytes: Buffer) => unknown,
  seeds: readonly Buffer[],
  words = '',
  refuses: Refusal = nothing,
): Target {
  return { name, shape: 'bytes', seeds, words: words.split(' ').filter(Boolean), run, refuses };
}

/** A parser of values. What is no JSON is not its affair. */
export function ofJson(
  name: string,
  run: (value: unknown) => unknown,
  seeds: readonly unknown[],
  words = '',
  refuses: Refusal = isClientError,
): Target {
  const all = {
    seeds: seeds.map((seed) => Buffer.from(JSON.stringify(seed))),
    words: words.split(' ').filter(Boolean),
  };
  const parsed = (input: Buffer) => {
    let value: unknown;
    try {
      value = JSON.parse(input.toString());
    } catch {
      return undefined;
    }
    return run(value);
  };
  return { name, shape: 'json', ...all, run: parsed, refuses };
}
