import { existsSync, readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { interruptNobody } from '../../kernel/scheduling.ts';
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

function findRunning(origin: Origin): (Shim & { readonly pid: number })[] {
  return calls(origin).flatMap(({ pid, containerId, action }) => (action === 'serve' ? [{ pid, containerId }] : []));
}

/**
 * Whether containerd is taking away what is left of some container's task, which it does by a shim started for that. It goes by the
 * container's name, and then forgets the task of that name, whichever it is by then.
 */
export function isClearing(origin: Origin): boolean {
  return calls(origin).some(({ action }) => action === 'delete');
}

/** Everything that runs as a shim of this containerd's. */
function calls({ socket, namespace }: Origin): (Call & { readonly pid: number })[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const pid = Number(name);
    const found = callOf(pid);
    return found?.socket === socket && found.namespace === namespace ? [{ pid, ...found }] : [];
  });
}

/** How a shim was called. */
interface Call extends Record<keyof Origin, string | undefined> {
  readonly containerId: string;
  /** One that does not serve starts one that does, or takes away what is left of it */
  readonly action: 'serve' | 'start' | 'delete';
}

/** Of a process; undefined when it is no shim, and when it is gone. */
function callOf(pid: number): Call | undefined {
  const [program = '', ...words] = read(`/proc/${pid}/cmdline`).split('\0').slice(0, -1);
  const option = (name: string) => words[words.indexOf(name) + 1];
  const containerId = option('-id');
  if (basename(program) !== PROGRAM || containerId === undefined) return undefined;
  const last = words.at(-1);
  const action = last === 'start' || last === 'delete' ? last : 'serve';
  return { containerId, action, socket: option('-address'), namespace: option('-namespace') };
}

function isShim(pid: number): boolean {
  return callOf(pid)?.action === 'serve';
}

/** Of a container's first process: what collects what runc leaves behind. The fourth field of proc_pid_stat(5), after a name in brackets */
export function parentOf(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')')).split(' ')[2]);
}

/** Whether a shim has a file open no more; not true of what is no shim, or is gone. */
export function hasClosed(shim: number, path: string): boolean {
  const descriptors = `/proc/${shim}/fd`;
  return isShim(shim) && namesIn(descriptors).every((name) => linkAt(join(descriptors, name)) !== path);
}

/**
 * For a container that fills its pipes: the shim still watches them, and is woken by each write. It shall not interrupt the writer
 * each time. Where that cannot be had, the container prints more slowly.
 */
export function calmShim(pid: number): void {
  try {
    if (isShim(pid)) interruptNobody(pid);
  } catch {
    // It is gone, or the daemon may not.
  }
}

/**
 * Ends the shim of a container's first process if it was not started for this task. A new shim that finds the socket of its container
 * in use leaves the task to who answers there (containerd: runtime/v2/runc/manager, Start): one that containerd has forgotten, in a folder
 * that is gone. Whatever it calls complains of that to the container's output. Of what it made containerd takes notice by itself.
 * @returns whether it was so
 */
export function endPastShim(pid: number, containerId: string): boolean {
  const shim = parentOf(pid);
  if (!isShim(shim) || basename(linkAt(`/proc/${shim}/cwd`)) === containerId) return false;
  kill(shim);
  return true;
}

/**
 * Ends a shim and what runs below it, and takes away what containerd and runc keep of the container.
 * @param folders holding one for the container, which are gone with the shim
 */
export function endShim({ pid, containerId }: Shim, folders: readonly string[]): void {
  // It may have ended by itself, and its number be another's.
  if (pid !== undefined && callOf(pid)?.containerId === containerId) {
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
