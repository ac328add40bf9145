import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { bytesIn } from '../../kernel/pipe.ts';
import { EngineError } from '../../model/errors.ts';
import { readNow } from './output-source.ts';
import type { OutputStream } from './process.ts';
import { hasClosed, linkAt, parentOf } from './shims.ts';

/*
 * A container's output straight from its own pipes. containerd's shim makes a pipe for each stream, and would copy what
 * comes out of it: told to copy to a file that refuses every byte, it gives up at the first one (containerd:
 * runtime/v2/runc, pkg/process/io.go, copyPipes), and from then on only holds the pipes open, until the task is deleted.
 * That first byte is ours, written before the process starts. So what a container prints is copied once less, it waits in
 * write(2) while there is no daemon, and what is in the pipe outlives the container and the daemon.
 */

/** What the shim is told to copy output to: full(4). */
export const REFUSING = '/dev/full';

/** The descriptors of a process (stdin(3)). */
const DESCRIPTORS: Readonly<Record<OutputStream, number>> = { stdout: 1, stderr: 2 };
/** How long the shim has for giving up, and between looks whether it has. Milliseconds */
const LIMIT = 10_000;
const LOOK = 1;
/** From then on it is looked whether the shim has closed what it copies to. Milliseconds */
const SOON = 100;

export interface OutputPipes {
  /** Reading ends, which the one who has them closes */
  readonly ends: Readonly<Record<OutputStream, number>>;
  /** PID of who holds them besides */
  readonly shim: number;
}

/** How to find the pipes again: who holds them, and what they are called there. */
interface PipesNote extends Readonly<Record<OutputStream, string>> {
  readonly shim: number;
}

/**
 * Takes the pipes of a process that is made and not yet started. @param note a file that is written for reopenPipes()
 * @throws EngineError internal when the shim does not let go of them, Error as open(2) says when the process is gone
 */
export async function takePipes(pid: number, note: string): Promise<OutputPipes> {
  const own = (stream: OutputStream) => `/proc/${pid}/fd/${DESCRIPTORS[stream]}`;
  const shim = parentOf(pid);
  using opened = new DisposableStack();
  const open = (path: string) => opened.adopt(openReader(path), closeSync);
  const pipes = { stdout: open(own('stdout')), stderr: open(own('stderr')) };
  const found: PipesNote = {
    shim,
    stdout: readlinkSync(own('stdout')),
    stderr: readlinkSync(own('stderr')),
  };
  writeFileSync(note, JSON.stringify(found), { mode: 0o600 });
  for (const stream of ['stdout', 'stderr'] as const) provoke(own(stream));
  await letGo({ ends: pipes, shim });
  opened.move();
  return { ends: pipes, shim };
}

/** Waits until the shim has given up both, and the pipes are empty. @throws EngineError internal */
async function letGo({ ends: { stdout, stderr }, shim }: OutputPipes): Promise<void> {
  for (const begun = Date.now(); ; await sleep(LOOK)) {
    const [out, err] = [bytesIn(stdout), bytesIn(stderr)];
    if (out + err === 0) return;
    const waited = Date.now() - begun;
    // What calls itself a runtime may have said a word before, and then that was the first byte: ours stays.
    if (waited > SOON && hasClosed(shim, REFUSING)) {
      readNow(stdout, out);
      readNow(stderr, err);
      return;
    }
    if (waited < LIMIT) continue;
    throw new EngineError(
      'internal',
      `containerd’s shim does not let go of the output: it left ${out} and ${err} bytes`,
    );
  }
}

/** Those of a process that a former daemon started, which may have ended. @throws Error ENOENT when they are gone */
export function reopenPipes(note: string): OutputPipes {
  // Written by ourselves.
  const { shim, stdout, stderr }: PipesNote = JSON.parse(readFileSync(note, 'utf8'));
  const directory = `/proc/${shim}/fd`;
  const names = new Map(readdirSync(directory).map((name) => [linkAt(`${directory}/${name}`), name]));
  using opened = new DisposableStack();
  const open = (pipe: string) => opened.adopt(openReader(`${directory}/${names.get(pipe) ?? pipe}`), closeSync);
  const pipes = { stdout: open(stdout), stderr: open(stderr) };
  opened.move();
  return { ends: pipes, shim };
}

function openReader(path: string): number {
  return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
}

/** The one byte that makes the shim give up. */
function provoke(path: string): void {
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  try {
    writeSync(writer, '\n');
  } finally {
    closeSync(writer);
  }
}
