import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/**
 * The same place without links: the kernel tells of mounts by such paths, and what is not found among them would be taken for a
 * plain folder, and deleted with what is mounted there. What does not exist yet will lie in what its parent is.
 */
export function canonical(path: string): string {
  const whole = resolve(path);
  return existsSync(whole) ? realpathSync(whole) : join(canonical(dirname(whole)), basename(whole));
}
