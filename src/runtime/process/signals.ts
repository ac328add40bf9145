import { constants } from 'node:os';
import { EngineError } from '../../model/errors.ts';

/** SIGRTMIN as glibc and Go see it; the kernel's own is 32. */
const REALTIME_FIRST = 34;
const REALTIME_LAST = 64;

/**
 * A signal's number from what a user writes: SIGTERM, TERM, term, RTMIN+3 or 15.
 * @throws EngineError invalidArgument `invalid signal: X`
 */
export function parseSignal(text: string): number {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const number = /^\d+$/.test(text) ? Number(text) : (named(name) ?? realtime(name));
  if (number === undefined || number < 1 || number > REALTIME_LAST) {
    throw new EngineError('invalidArgument', `invalid signal: ${text}`);
  }
  return number;
}

function named(name: string): number | undefined {
  const signals: Readonly<Record<string, number>> = constants.signals;
  return Object.hasOwn(signals, `SIG${name}`) ? signals[`SIG${name}`] : undefined;
}

/** RTMIN, RTMIN+n, RTMAX, RTMAX-n, as signal(7) counts them. */
function realtime(name: string): number | undefined {
  const match = /^(RTMIN|RTMAX)([+-]\d{1,2})?$/.exec(name);
  if (match === null) return undefined;
  const number = (match[1] === 'RTMIN' ? REALTIME_FIRST : REALTIME_LAST) + Number(match[2] ?? 0);
  return number >= REALTIME_FIRST && number <= REALTIME_LAST ? number : undefined;
}
