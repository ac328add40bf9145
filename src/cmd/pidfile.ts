import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EngineError } from '../model/errors.ts';

/**
 * Says that this daemon runs, and refuses to start beside another one.
 * @throws EngineError conflict, in dockerd's words, when the process named in the file is alive
 */
export function claimPidfile(path: string): Disposable {
  const other = livingDaemon(path);
  if (other !== undefined) {
    throw new EngineError(
      'conflict',
      `pid file found, ensure fairwayd is not running or delete ${path}: process with PID ${other} is still running`,
    );
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${process.pid}\n`);
  return { [Symbol.dispose]: () => rmSync(path, { force: true }) };
}

/** A recycled PID must not keep the daemon from starting, so the process has to look like one of ours. */
function livingDaemon(path: string): number | undefined {
  const pid = Number(readText(path).trim());
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return undefined;
  return readText(`/proc/${pid}/cmdline`).includes('fairwayd') ? pid : undefined;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
