import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OciRuntime } from '../../model/oci-runtime.ts';

/**
 * What shims execute for a runtime that is not our runc: the program itself, or where it has arguments a script that adds them,
 * since a shim can be given none. The script's name is that of its content: one that a running container needs to end is never changed.
 * @param folder of our programs
 */
export function provideRuntime(folder: string, { path, args }: OciRuntime): string {
  if (args.length === 0) return path;
  const script = `#!/bin/sh\nexec ${[path, ...args].map(quoted).join(' ')} "$@"\n`;
  const name = createHash('sha256').update(script).digest('hex').slice(0, 16);
  const made = join(folder, `runtime-${name}`);
  if (!existsSync(made)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${made}.new`, script, { mode: 0o755 });
    renameSync(`${made}.new`, made);
  }
  return made;
}

/** One word to a shell (POSIX, Shell Command Language, 2.2.2). */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
