import { randomBytes } from 'node:crypto';

/** 64 hexadecimal digits. Not all of the first twelve are decimal ones, so that a short id is never taken for a number. */
export function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString('hex');
    if (!/^\d{12}/.test(id)) return id;
  }
}

/**
 * Now, as ISO 8601 in UTC. Milliseconds are what the wall clock gives Node: digits made up beyond them could put a
 * container's start after its end, which containerd tells in nanoseconds.
 */
export function timestamp(): string {
  return new Date().toISOString();
}
