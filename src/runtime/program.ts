import { spawnSync } from 'node:child_process';
import type { ProgramResult } from '../model/program.ts';

/** Milliseconds: who waits longer for another program's lock holds up the daemon. */
const PATIENCE = 5000;

/** Where administrators' programs are, whatever the daemon's own PATH says. */
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Runs a program to its end, in the network namespace the caller is in. Its messages are in no language but C's. */
export function runProgram(program: string, args: readonly string[], input = ''): ProgramResult {
  const { status, stdout, stderr } = spawnSync(program, args, {
    input,
    encoding: 'utf8',
    timeout: PATIENCE,
    maxBuffer: 64 << 20,
    env: { PATH, LC_ALL: 'C' },
  });
  return { status, stdout: stdout ?? '', stderr: stderr ?? '' };
}
