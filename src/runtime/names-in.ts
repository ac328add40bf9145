import { readdirSync } from 'node:fs';
import { hasCode } from '../model/errors.ts';

/** Names of what is in a folder; none when it is not there. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}
