import { closeSync, openSync, readSync } from 'node:fs';

/** What an SQLite file says of itself: PRAGMA application_id and user_version. */
export interface Header {
  readonly application: number;
  readonly version: number;
}

/** sqlite.org/fileformat.html, "The Database Header" */
const SIZE = 100;
const MAGIC = 'SQLite format 3\0';
const USER_VERSION = 60;
const APPLICATION_ID = 68;

/**
 * Reads the first bytes without opening the database: SQLite works a log into the file when it closes it, and what is not ours is
 * left as it is.
 * @returns undefined when it is no SQLite file
 */
export function readHeader(path: string): Header | undefined {
  const bytes = Buffer.alloc(SIZE);
  const file = openSync(path, 'r');
  try {
    if (readSync(file, bytes) < SIZE || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return undefined;
  } finally {
    closeSync(file);
  }
  return { application: bytes.readInt32BE(APPLICATION_ID), version: bytes.readInt32BE(USER_VERSION) };
}
