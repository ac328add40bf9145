import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { unmountLazily } from '../../kernel/tmpfs.ts';
import { hasCode } from '../../model/errors.ts';
import { namesIn } from '../names-in.ts';

/** What containerd starts, and runs on by itself until it is told to end (containerd: runtime/v2/shim/shim.go). */
const PROGRAM = 'containerd-shim-runc-v2';

/** A shim, or what is left of one. */
export interface Shim {
  /** Of one that runs */
  readonly pid?: number;
  readonly containerId: string;
}

/** What they are started for: there may be other clients of the same containerd, Docker or a kubelet, in namespaces of their own. */
interface Origin {
  /** Of the containerd they were started by */
  readonly socket: string;
  /** containerd's */
  readonly namespace: string;
}

/** @param folder holding one for each */
export function findShims(origin: Origin, folder: string): Shim[] {
  const running = findRunning(origin);
  const ids = new Set(running.map(({ containerId }) => containerId));
  // What begins with a dot is being removed by containerd.
  const left = namesIn(folder).filter((name) => !name.startsWith('.') && !ids.has(name));
  return [...running, ...left.map((containerId) => ({ containerId }))];
}

function findRunning({ socket, namespace }: Origin): Shim[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const [program = '', ...words] = read(`/proc/${name}/cmdline`).split('\0').slice(0, -1);
    const option = (option: string) => words[words.indexOf(option) + 1];
    const containerId = option('-id');
    // The last word of one that starts or takes away a shim is what it does.
    const serves = words.at(-2)?.startsWith('-') === true;
    const isShim = basename(program) === PROGRAM && serves;
    const isOurs = option('-address') === socket && option('-namespace') === namespace;
    return isShim && isOurs && containerId !== undefined ? [{ pid: Number(name), containerId }] : [];
  });
}

/**
 * Ends a shim and what runs below it, and takes away what containerd and runc keep of the container.
 * @param folders holding one for the container, which are gone with the shim
 */
export function endShim({ pid, containerId }: Shim, folders: readonly string[]): void {
  if (pid !== undefined) {
    const children = read(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);
    for (const process of [pid, ...children]) kill(process);
  }
  for (const folder of folders) {
    const own = join(folder, containerId);
    const root = join(own, 'rootfs');
    if (existsSync(root)) {
      unmountLazily(root);
      rmdirSync(root);
    }
    const work = join(own, 'work');
    if (existsSync(work)) rmSync(readlinkSync(work), { recursive: true });
    rmSync(own, { recursive: true, force: true });
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}

/** '' when the process is gone */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
