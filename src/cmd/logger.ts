import { fstatSync } from 'node:fs';
import pino from 'pino';
import { EngineError } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
/** Readable lines for people, or JSON for programs. */
export type LogFormat = 'text' | 'json';

/** A logger that can be told to say more. */
export interface LevelledLogger extends Logger {
  setLevel(level: LogLevel): void;
}

const GREY = 90;
const COLOURS = { debug: 90, info: 36, warn: 33, error: 31 } as const;

/**
 * People get one readable line an entry on a terminal; files and journald get JSON.
 * Both go to stderr, as dockerd's do.
 */
export function createLogger(level: LogLevel, format?: LogFormat): LevelledLogger {
  const terminal = process.stderr.isTTY === true;
  return (format ?? (terminal ? 'text' : 'json')) === 'text' ? textLogger(level, terminal) : jsonLogger(level);
}

/** @throws EngineError invalidArgument in dockerd's words */
export function parseLogFormat(text: string): LogFormat {
  if (text === 'text' || text === 'json') return text;
  throw new EngineError('invalidArgument', `invalid log format: ${text}`);
}

function jsonLogger(level: LogLevel): LevelledLogger {
  const destination = pino.destination({ fd: 2, sync: true });
  const journal = isJournal();
  const timestamp = journal ? false : pino.stdTimeFunctions.isoTime;
  const sink = journal ? { write: (line: string) => void destination.write(prioritized(line)) } : destination;
  const log = pino({ level, base: null, messageKey: 'msg', timestamp }, sink);
  return {
    debug: (message, fields) => log.debug(fields ?? {}, message),
    info: (message, fields) => log.info(fields ?? {}, message),
    warn: (message, fields) => log.warn(fields ?? {}, message),
    error: (message, fields) => log.error(fields ?? {}, message),
    setLevel: (next) => {
      log.level = next;
    },
  };
}

/** journald keeps the time itself. Whether stderr leads there, the environment says by device and inode (systemd.exec(5)). */
function isJournal(): boolean {
  const { dev, ino } = fstatSync(2);
  return process.env['JOURNAL_STREAM'] === `${dev}:${ino}`;
}

/** With syslog's priority in front, sd-daemon(3). pino's numbers are 20, 30, 40, 50. */
function prioritized(line: string): string {
  const level = Number(/"level":(\d+)/.exec(line)?.[1] ?? 30);
  return `<${{ 20: 7, 30: 6, 40: 4, 50: 3 }[level] ?? 6}>${line}`;
}

/** @param colours whether there is somebody to see them */
function textLogger(level: LogLevel, colours: boolean): LevelledLogger {
  const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
  let lowest = levels.indexOf(level);
  const painted = (colour: number, part: string) => (colours ? `\x1b[${colour}m${part}\x1b[0m` : part);
  const writer = (own: LogLevel) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
    if (levels.indexOf(own) < lowest) return;
    const now = new Date().toISOString();
    const details = Object.entries(fields ?? {}).map(([name, value]) => ` ${name}=${text(value)}`);
    const line = `${painted(COLOURS[own], own.padEnd(5))} ${message}${painted(GREY, details.join(''))}`;
    process.stderr.write(`${colours ? now.slice(11, 23) : now} ${line}\n`);
  };
  return {
    debug: writer('debug'),
    info: writer('info'),
    warn: writer('warn'),
    error: writer('error'),
    setLevel: (next) => {
      lowest = levels.indexOf(next);
    },
  };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
