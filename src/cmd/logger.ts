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
  const log = pino({ level, base: null, messageKey: 'msg', timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return {
    debug: (message, fields) => log.debug(fields ?? {}, message),
    info: (message, fields) => log.info(fields ?? {}, message),
    warn: (message, fields) => log.warn(fields ?? {}, message),
    error: (message, fields) => log.error(fields ?? {}, message),
  };
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
