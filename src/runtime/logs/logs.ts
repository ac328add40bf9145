import type { Container } from '../../model/container.ts';
import { EngineError } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import { pickAttributes, tagOf } from './attributes.ts';
import { JournalLog } from './journal.ts';
import type { ContainerLog } from './log.ts';
import { LogFile } from './logfile.ts';
import { readLogFiles } from './reader.ts';
import type { LogQuery, LogRecord } from './record.ts';
import { delivery, rotation } from './settings.ts';

/** A log nobody keeps. */
export const NOWHERE: ContainerLog = {
  append: () => undefined,
  protect: () => undefined,
  now: () => BigInt(Date.now()) * 1_000_000n,
  rest: () => Buffer.alloc(0),
  flush: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

/** Whether what it prints is to be kept until its log has it, so that a killed daemon's successor can go on there. */
export function isLogged({ spec }: Container): boolean {
  return spec.logConfig.driver !== 'none';
}

/**
 * Opens a container's log with the driver it asks for.
 * @param path of a driver that keeps files; its directory exists
 * @throws EngineError internal in Docker's words when the driver cannot work here
 */
export function openLog(container: Container, path: string, logger: Logger): ContainerLog {
  const { driver, options } = container.spec.logConfig;
  if (driver === 'none') return NOWHERE;
  if (driver === 'journald') return new JournalLog(container, logger);
  const tag = driver === 'json-file' ? tagOf(container, '') : '';
  return new LogFile({
    path,
    rotation: rotation(driver, options),
    delivery: delivery(options),
    attributes: driver === 'local' ? {} : { ...pickAttributes(container), ...(tag === '' ? {} : { tag }) },
    logger,
  });
}

/** @throws EngineError unsupported in Docker's words */
export function checkReadable({ spec }: Container): void {
  if (spec.logConfig.driver !== 'none') return;
  throw new EngineError('unsupported', 'configured logging driver does not support reading');
}

/**
 * Reads a container's log, running or not.
 * @param live the log of the run that is under way
 * @throws EngineError unsupported in Docker's words
 */
export async function* readLog(
  container: Container,
  path: string,
  query: LogQuery,
  live: ContainerLog | undefined,
): AsyncGenerator<LogRecord, void, undefined> {
  checkReadable(container);
  if (container.spec.logConfig.driver !== 'journald')
    yield* readLogFiles(path, query, live instanceof LogFile ? live : undefined);
  else {
    const { readJournal } = await import('./journal-reader.ts');
    yield* readJournal(container.id, { ...query, follow: query.follow && live !== undefined });
  }
}
