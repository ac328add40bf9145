import { invalid } from '../status.ts';

/** Docker's rule (moby: httputils.BoolValue): clients say 1, true and True. */
export function queryFlag(query: URLSearchParams, name: string): boolean {
  const value = (query.get(name) ?? '').trim().toLowerCase();
  return !['', '0', 'no', 'false', 'none'].includes(value);
}

/** @throws EngineError invalidArgument when it is given and no integer */
export function queryInteger(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name) ?? '';
  if (value === '') return undefined;
  if (!/^[+-]?\d{1,10}$/.test(value)) throw invalid(`invalid value for ${name}: parsing "${value}": invalid syntax`);
  return Number(value);
}

/** An optional text: undefined when it is absent or empty. */
export function queryText(query: URLSearchParams, name: string): string | undefined {
  const value = query.get(name) ?? '';
  return value === '' ? undefined : value;
}

/**
 * A moment as clients send it: seconds since 1970 with an optional fraction, or RFC 3339.
 * @returns nanoseconds since 1970; undefined when the text is empty or "0", which Docker reads as not given
 * @throws EngineError invalidArgument
 */
export function parseMoment(text: string, name: string): bigint | undefined {
  const numeric = /^(\d{1,12})(?:\.(\d{1,9})\d*)?$/.exec(text);
  if (text === '' || text === '0') return undefined;
  if (numeric !== null) {
    return BigInt(numeric[1] ?? '0') * 1_000_000_000n + BigInt((numeric[2] ?? '').padEnd(9, '0'));
  }
  const date = /^\d{4}-\d\d-\d\dT[\d:]+(?:\.(\d{1,9})\d*)?(?:Z|[+-]\d\d:\d\d)$/.exec(text);
  const seconds = date === null ? Number.NaN : Math.floor(Date.parse(text) / 1000);
  if (Number.isNaN(seconds)) throw invalid(`invalid value for ${name}: parsing "${text}": invalid syntax`);
  return BigInt(seconds) * 1_000_000_000n + BigInt((date?.[1] ?? '').padEnd(9, '0'));
}

/** @throws EngineError invalidArgument when h or w is missing or not positive enough to be a terminal's size */
export function terminalSize(query: URLSearchParams): { width: number; height: number } {
  return { height: dimension(query, 'h'), width: dimension(query, 'w') };
}

/** The kernel keeps both as unsigned short (struct winsize, ioctl_tty(2)). */
function dimension(query: URLSearchParams, name: string): number {
  const text = query.get(name) ?? '';
  const refused = (why: string) => invalid(`invalid resize ${name === 'h' ? 'height' : 'width'} "${text}": ${why}`);
  if (!/^[+-]?\d+$/.test(text)) throw refused('invalid syntax');
  const value = Number(text);
  if (value < 0 || value > 65535) throw refused('value out of range');
  return value;
}
