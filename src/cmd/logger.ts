import { fstatSync } from 'node:fs';
import pino from 'pino';
import type { Logger } from '../model/logger.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

const COLOURS = { debug: 90, info: 36, warn: 33, error: 31 } as const;

/**
 * People get one readable line an entry on a terminal; files and journald get JSON.
 * Both go to stderr, as dockerd's do.
 */
export function createLogger(level: LogLevel): Logger {
  return process.stderr.isTTY === true ? terminalLogger(level) : jsonLogger(level);
}

function jsonLogger(level: LogLevel): Logger {
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

function terminalLogger(level: LogLevel): Logger {
  const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
  const writer = (own: LogLevel) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
    if (levels.indexOf(own) < levels.indexOf(level)) return;
    const time = new Date().toISOString().slice(11, 23);
    const details = Object.entries(fields ?? {}).map(([name, value]) => ` ${name}=${text(value)}`);
    process.stderr.write(
      `${time} \x1b[${COLOURS[own]}m${own.padEnd(5)}\x1b[0m ${message}\x1b[90m${details.join('')}\x1b[0m\n`,
    );
  };
  return { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error') };
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
