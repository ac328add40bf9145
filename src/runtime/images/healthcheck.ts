import { EngineError } from '../../model/errors.ts';
import type { HealthcheckSection } from './config.ts';

const SECOND = 1_000_000_000;
const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1_000,
  µs: 1_000,
  ms: 1_000_000,
  s: SECOND,
  m: 60 * SECOND,
  h: 3600 * SECOND,
};
const SHORTEST = 1_000_000;

/** Flags of the instruction and what they set. */
const DURATIONS: ReadonlyMap<string, 'Interval' | 'Timeout' | 'StartPeriod' | 'StartInterval'> = new Map([
  ['interval', 'Interval'],
  ['timeout', 'Timeout'],
  ['start-period', 'StartPeriod'],
  ['start-interval', 'StartInterval'],
]);

/**
 * The instruction HEALTHCHECK: "NONE", or "--interval=30s --retries=3 CMD command".
 * https://docs.docker.com/reference/dockerfile/#healthcheck
 *
 * @param jsonList reads the command's JSON form; undefined for any other text
 * @throws EngineError invalidArgument
 */
export function parseHealthcheck(
  text: string,
  jsonList: (text: string) => readonly string[] | undefined,
): HealthcheckSection {
  const [, flags = '', type = '', command = ''] = /^((?:--\S+\s+)*)(\S+)\s*(.*)$/s.exec(text) ?? [];
  const options = parseFlags(flags.split(/\s+/).filter((flag) => flag !== ''));
  if (type.toUpperCase() === 'NONE') {
    if (command !== '') throw invalid('HEALTHCHECK NONE takes no arguments');
    return { Test: ['NONE'] };
  }
  if (type.toUpperCase() !== 'CMD') throw invalid(`Unknown type "${type}" in HEALTHCHECK (try CMD)`);
  if (command === '') throw invalid('Missing command after HEALTHCHECK CMD');
  const list = jsonList(command);
  return { ...options, Test: list === undefined ? ['CMD-SHELL', command] : ['CMD', ...list] };
}

function parseFlags(flags: readonly string[]): HealthcheckSection {
  const entries = flags.map((flag): [string, number] => {
    const [, name = '', value = ''] = /^--([^=]+)=(.*)$/.exec(flag) ?? [];
    if (name === 'retries') return ['Retries', parseRetries(value)];
    const field = DURATIONS.get(name);
    if (field === undefined) throw invalid(`unknown flag: ${flag.split('=')[0]}`);
    return [field, parseDuration(value, name)];
  });
  return Object.fromEntries(entries);
}

function parseRetries(text: string): number {
  const retries = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (retries < 0) throw invalid(`--retries must be at least 0 (not ${text})`);
  return retries;
}

/** Go's notation: "1m30s", "500ms"; 0 stands for the default. @returns nanoseconds */
function parseDuration(text: string, name: string): number {
  if (text === '0') return 0;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) {
    throw invalid(`time: invalid duration "${text}"`);
  }
  const sum = parts.reduce((total, [, number, unit]) => total + Number(number) * (UNITS[unit ?? ''] ?? 0), 0);
  if (sum !== 0 && sum < SHORTEST) throw invalid(`Interval "${name}" cannot be less than 1ms`);
  return sum;
}

function invalid(message: string): EngineError {
  return new EngineError('invalidArgument', message);
}
