import type { PruneFilters } from '../../engine/requests.ts';
import { invalid } from '../status.ts';
import { parseMoment } from './query.ts';

/** Patterns longer than this, or with more repetitions, are refused: names are matched by a backtracking engine. */
const LONGEST_PATTERN = 256;
const MOST_REPETITIONS = 3;

/** `?filters=`: values by name. Values of one name are alternatives (labels: all must match), names are all required. */
export class Filters {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  /** @throws EngineError invalidArgument with Docker's words for a name that is not among these */
  require(...allowed: readonly string[]): this {
    for (const name of this.#values.keys()) if (!allowed.includes(name)) throw invalid(`invalid filter '${name}'`);
    return this;
  }

  /** Whether the client asked for it at all. */
  has(name: string): boolean {
    return this.get(name).length > 0;
  }

  /** As the client wrote them; empty when it did not ask. */
  get(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  /** True when nothing is asked, or one of the values satisfies the test. */
  some(name: string, test: (value: string) => boolean): boolean {
    return !this.has(name) || this.get(name).some(test);
  }

  /** A filter that is true or false: undefined when it is absent. @throws EngineError invalidArgument */
  boolean(name: string): boolean | undefined {
    const [value, ...more] = this.get(name);
    if (value === undefined) return undefined;
    if (more.length > 0 || !/^(1|0|true|false)$/i.test(value)) throw invalidValue(name, this.get(name));
    return /^(1|true)$/i.test(value);
  }

  /** A test by Docker's rule for names and ids: an unanchored regular expression. */
  pattern(name: string): (text: string) => boolean {
    const expressions = this.get(name).map((value) => safeExpression(name, value));
    return (text) => expressions.length === 0 || expressions.some((expression) => expression.test(text));
  }

  /** `label` values must all be there, `label!` values must not: "key" or "key=value". */
  labels(labels: Readonly<Record<string, string>>): boolean {
    return (
      this.get('label').every((label) => hasLabel(labels, label)) &&
      !this.get('label!').some((label) => hasLabel(labels, label))
    );
  }

  /** The moments of `until`, in milliseconds since 1970. @param now likewise */
  untils(now: number): number[] {
    return this.get('until').map((text) => pruneMoment(text, now));
  }

  /** The filters every prune takes. @param now milliseconds since 1970 @throws EngineError invalidArgument in Docker's words */
  prune(now: number): PruneFilters {
    const [until, ...more] = this.untils(now);
    if (more.length > 0) throw invalid('more than one until filter specified');
    return {
      ...(until === undefined ? {} : { until }),
      labels: this.get('label'),
      labelsNot: this.get('label!'),
    };
  }
}

/** Both forms clients send: {"k":{"v":true}} and {"k":["v"]}. @throws EngineError invalidArgument */
export function parseFilters(text: string | null): Filters {
  const values = new Map<string, string[]>();
  if (text === null || text === '') return new Filters(values);
  for (const [name, value] of Object.entries(decode(text))) {
    const list = Array.isArray(value)
      ? value
      : typeof value === 'object' && value !== null
        ? trueKeys(value)
        : undefined;
    if (list === undefined || !list.every((item) => typeof item === 'string')) throw invalid('invalid filter');
    if (list.length > 0) values.set(name, list);
  }
  return new Filters(values);
}

/** @throws EngineError invalidArgument */
function decode(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Both ways of being no object end in the same words.
  }
  throw invalid('invalid filter');
}

/** {"v": false} asks for nothing. */
function trueKeys(value: object): string[] {
  return Object.entries(value).flatMap(([key, on]) => (on === true ? [key] : []));
}

/** Own keys only: every object would have a label "constructor" otherwise. */
function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf('=');
  const key = equals < 0 ? wanted : wanted.slice(0, equals);
  return Object.hasOwn(labels, key) && (equals < 0 || labels[key] === wanted.slice(equals + 1));
}

/** @throws EngineError invalidArgument for what is no expression, or could take the engine exponential time */
function safeExpression(name: string, text: string): RegExp {
  const repetitions = text.match(/[*+?{]/g)?.length ?? 0;
  const dangerous = /\)[*+?{]|\(\?|\\\d/.test(text);
  if (text.length > LONGEST_PATTERN || repetitions > MOST_REPETITIONS || dangerous) throw invalidValue(name, [text]);
  try {
    return new RegExp(text);
  } catch {
    throw invalidValue(name, [text]);
  }
}

/** A moment, or a duration before now: "24h", "1h30m", "10s". */
function pruneMoment(text: string, now: number): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length > 0 && parts.map(([part]) => part).join('') === text) {
    const unit: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
    return now - parts.reduce((sum, [, count, name]) => sum + Number(count) * (unit[name ?? ''] ?? 0), 0);
  }
  return Number((parseMoment(text, 'until') ?? 0n) / 1_000_000n);
}

/** Docker's words for a value that a filter cannot take. */
export function invalidValue(name: string, values: readonly string[]): Error {
  return invalid(`invalid filter '${name}=[${values.join(' ')}]'`);
}
