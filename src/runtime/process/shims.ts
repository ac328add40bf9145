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
    const found = shimAt(Number(name));
    const isOurs = found?.socket === socket && found.namespace === namespace;
    return isOurs ? [{ pid: Number(name), containerId: found.containerId }] : [];
  });
}

/** What a process was told that is a shim; undefined for others, and when it is gone. */
function shimAt(
  pid: number,
): (Record<keyof Origin, string | undefined> & { readonly containerId: string }) | undefined {
  const [program = '', ...words] = read(`/proc/${pid}/cmdline`).split('\0').slice(0, -1);
  const option = (name: string) => words[words.indexOf(name) + 1];
  const containerId = option('-id');
  // The last word of one that starts or takes away a shim is what it does.
  const serves = words.at(-2)?.startsWith('-') === true;
  if (basename(program) !== PROGRAM || !serves || containerId === undefined) return undefined;
  return { containerId, socket: option('-address'), namespace: option('-namespace') };
}

/** Of a container's first process: what collects what runc leaves behind. The fourth field of proc_pid_stat(5), after a name in brackets */
export function parentOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2]);
}

/** Whether a shim has a file open no more; not true of what is no shim, or is gone. */
export function hasClosed(shim: number, path: string): boolean {
  const descriptors = `/proc/${shim}/fd`;
  return shimAt(shim) !== undefined && namesIn(descriptors).every((name) => linkAt(join(descriptors, name)) !== path);
}

/**
 * Ends the shim of a container's first process if it was not started for this task. A new shim that finds the socket of its container
 * in use leaves the task to who answers there (containerd: runtime/v2/runc/manager, Start): one that containerd has forgotten, in a folder
 * that is gone. Whatever it calls complains of that to the container's output. Of what it made containerd takes notice by itself.
 * @returns whether it was so
 */
export function endPastShim(pid: number, containerId: string): boolean {
  const shim = parentOf(pid);
  if (shimAt(shim) === undefined || basename(linkAt(`/proc/${shim}/cwd`)) === containerId) return false;
  kill(shim);
  return true;
}

/**
 * Ends a shim and what runs below it, and takes away what containerd and runc keep of the container.
 * @param folders holding one for the container, which are gone with the shim
 */
export function endShim({ pid, containerId }: Shim, folders: readonly string[]): void {
  // It may have ended by itself, and its number be another's.
  if (pid !== undefined && shimAt(pid)?.containerId === containerId) {
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

/** '' for a link that is gone, and what it belongs to */
export function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
