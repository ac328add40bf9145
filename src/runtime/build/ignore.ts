import { posix } from 'node:path';

/**
 * The patterns of a .dockerignore, as Docker's client reads it (moby/patternmatcher, ignorefile): blanks around a pattern and
 * behind its exclamation mark do not count, paths are cleaned, and a leading slash is the context's root.
 */
export function parseIgnoreFile(text: string): string[] {
  return text
    .replace(/^\ufeff/, '')
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => (line.startsWith('!') ? `!${cleanPattern(line.slice(1).trim())}` : cleanPattern(line)));
}

/** As Go's filepath.Clean, and without the root's slash. */
function cleanPattern(pattern: string): string {
  if (pattern === '') return '';
  const clean = posix.normalize(pattern).replace(/(.)\/$/, '$1');
  return clean.length > 1 ? clean.replace(/^\//, '') : clean;
}
