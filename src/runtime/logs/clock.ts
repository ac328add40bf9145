const NANOSECONDS = 1_000_000_000n;
/** Further from Date's clock than this, the wall clock was set. Nanoseconds */
const TOLERANCE = 10_000_000n;

/** Wall clock time with nanoseconds, which Date lacks: the monotonic clock, held to within 10 ms of Date's. */
export class NanosecondClock {
  #offset = 0n;

  /** Nanoseconds since 1970 */
  now(): bigint {
    const ticks = process.hrtime.bigint();
    const wall = BigInt(Date.now()) * 1_000_000n;
    const difference = ticks + this.#offset - wall;
    if (difference > TOLERANCE || difference < -TOLERANCE) this.#offset = wall - ticks;
    return ticks + this.#offset;
  }
}

/** RFC 3339 in UTC, without trailing zeros, as Go prints it: "2024-05-01T10:00:00.5Z". */
export function formatTime(nanoseconds: bigint): string {
  const seconds = new Date(Number(nanoseconds / NANOSECONDS) * 1000)
    .toISOString()
    .slice(0, 'YYYY-MM-DDTHH:MM:SS'.length);
  const decimals = String(nanoseconds % NANOSECONDS)
    .padStart(9, '0')
    .replace(/0+$/, '');
  return decimals === '' ? `${seconds}Z` : `${seconds}.${decimals}Z`;
}

/** The inverse of formatTime. @returns undefined when the text is no such time */
export function parseTime(text: string): bigint | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text);
  const seconds = match === null ? Number.NaN : Date.parse(`${match[1]}Z`) / 1000;
  if (Number.isNaN(seconds)) return undefined;
  return BigInt(seconds) * NANOSECONDS + BigInt((match?.[2] ?? '').padEnd(9, '0'));
}
