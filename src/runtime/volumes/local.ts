import { execFile } from 'node:child_process';
import { hash, randomBytes } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import {
  chownSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { close, mount, umount2 } from '../../kernel/sys.ts';
import { openBeneath } from '../../kernel/sys-files.ts';
import { unmountLazily } from '../../kernel/tmpfs.ts';
import { EngineError, errorMessage, hasCode, KernelError } from '../../model/errors.ts';
import type { Owner } from '../../model/id-map.ts';
import type { Volume } from '../../model/volume.ts';
import { namesIn } from '../names-in.ts';

const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MNT_DETACH = 2;
/** A volume that is being deleted is called so, with what its name hashes to. No volume's name begins with a dot. */
const REMOVED = '.removed-';
const removedName = (name: string): string => `${REMOVED}${hash('sha256', name)}-`;
/** Of the local driver (moby: volume/local). */
const OPTIONS: readonly string[] = ['type', 'device', 'o'];

/** @throws EngineError invalidArgument with Docker's words */
export function checkVolumeOptions(options: Readonly<Record<string, string>>): void {
  const names = Object.keys(options);
  if (names.includes('size')) {
    throw new EngineError('invalidArgument', 'quota size requested but no quota support');
  }
  const unknown = names.find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined) throw new EngineError('invalidArgument', `invalid option: "${unknown}"`);
  if (names.length === 0) return;
  for (const name of ['device', 'type']) {
    if ((options[name] ?? '') === '') {
      throw new EngineError('invalidArgument', `missing required option: "${name}"`);
    }
  }
}

/** Volumes as directories below `<data-root>/volumes`, as Docker lays them out. */
export class LocalVolumes {
  readonly #root: string;
  readonly #subpaths: string;
  readonly #owner: Owner | undefined;

  /** @param owner who the containers' root is on the host; undefined: root */
  constructor(dataRoot: string, execRoot: string, owner: Owner | undefined) {
    this.#owner = owner;
    this.#root = join(dataRoot, 'volumes');
    this.#subpaths = join(execRoot, 'subpaths');
  }

  /** Where its files are on the host. */
  path(name: string): string {
    return join(this.#root, name, '_data');
  }

  /** One that is there is fine: its files stay. */
  create(name: string): void {
    mkdirSync(this.#root, { recursive: true, mode: 0o701 });
    mkdirSync(join(this.#root, name), { recursive: true, mode: 0o701 });
    const made = mkdirSync(this.path(name), { recursive: true, mode: 0o755 });
    if (made !== undefined && this.#owner !== undefined) chownSync(this.path(name), this.#owner.uid, this.#owner.gid);
  }

  /**
   * Takes it away: its name is free at once, its files are gone when this resolves.
   * @throws EngineError internal when something is mounted in it: that would be deleted with it
   */
  async remove(name: string): Promise<void> {
    const folder = join(this.#root, name);
    if (!existsSync(folder)) return;
    const seen = join(realpathSync(this.#root), name);
    const busy = mountPoints().find((path) => path === seen || path.startsWith(`${seen}/`));
    if (busy !== undefined) throw new EngineError('internal', `remove ${name}: ${busy} is mounted`);
    const removed = join(this.#root, removedName(name) + randomBytes(8).toString('hex'));
    try {
      renameSync(folder, removed);
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return;
      throw error;
    }
    await rm(removed, { recursive: true, force: true });
  }

  /** Of these volumes, those an earlier daemon was removing and has not made anew: their files are gone, or about to be. */
  removed(names: Iterable<string>): string[] {
    const going = this.#going();
    if (going.length === 0) return [];
    const isGoing = (name: string) => going.some((entry) => entry.startsWith(removedName(name)));
    return [...names].filter((name) => isGoing(name) && !existsSync(join(this.#root, name)));
  }

  /** Finishes what an earlier daemon did not. */
  async clear(): Promise<void> {
    await Promise.all(this.#going().map((name) => rm(join(this.#root, name), { recursive: true, force: true })));
  }

  /** Folders of volumes that are being deleted. */
  #going(): string[] {
    return namesIn(this.#root).filter((name) => name.startsWith(REMOVED));
  }

  /** Mounts what the options name; for one without, or one that is mounted already, nothing is to be done. */
  async mount({ id, options }: Volume): Promise<void> {
    const target = this.path(id);
    if (Object.keys(options).length === 0 || isMounted(target)) return;
    const { type = 'none', device = '', o = '' } = options;
    const words = type === 'nfs' || type === 'cifs' ? await withAddress(o) : o;
    const data = words === '' ? [] : ['-o', words];
    try {
      await promisify(execFile)('mount', ['-i', '-t', type, ...data, '--', device, target]);
    } catch (error) {
      const output = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
      const reason = output.replace(/^mount: [^:]*: /, '').replace(/\n.*/s, '') || errorMessage(error);
      const what = `failed to mount local volume: mount ${device}:${target}, data: ${words}: ${reason}`;
      throw new EngineError('internal', `error while mounting volume '${target}': ${what}`);
    }
  }

  /** One that is not mounted is fine. */
  unmount({ id, options }: Volume): void {
    const target = this.path(id);
    if (Object.keys(options).length > 0 && isMounted(target)) umount2(target, MNT_DETACH);
  }

  /** Whether nothing lies there. False where there is no such directory, and where a link leads out of the volume. */
  isEmpty(name: string, subpath: string): boolean {
    if (subpath === '') return readdirSync(this.path(name)).length === 0;
    try {
      return this.#within(name, subpath, (part, fd) => fstatSync(fd).isDirectory() && readdirSync(part).length === 0);
    } catch (error) {
      if (error instanceof KernelError) return false;
      throw error;
    }
  }

  /**
   * Makes a part of a volume mountable by itself, for a container: links that others put into the volume do not lead out of
   * it, and what was found stays mounted whatever they do later.
   * @returns the path to mount @throws EngineError invalidArgument when there is nothing
   */
  mountSubpath(name: string, subpath: string, holder: string, index: number): string {
    const target = join(this.#subpaths, holder, String(index));
    try {
      this.#within(name, subpath, (part, fd) => {
        makeTarget(target, fstatSync(fd).isDirectory());
        mount(part, target, null, MS_BIND | MS_REC, null);
      });
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      const why = error.code === 'EXDEV' ? 'path concatenation escapes the base directory' : error.code;
      throw new EngineError('invalidArgument', `cannot access path ${join(this.path(name), subpath)}: ${why}`);
    }
    return target;
  }

  /** @param use gets the part's path, good as long as it is used, and its descriptor @throws KernelError when nothing is there, or outside of the volume */
  #within<T>(name: string, subpath: string, use: (part: string, fd: number) => T): T {
    const directory = openSync(this.path(name), constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const fd = openBeneath(directory, subpath);
      try {
        return use(`/proc/self/fd/${fd}`, fd);
      } finally {
        close(fd);
      }
    } finally {
      closeSync(directory);
    }
  }

  /** Takes back what `mountSubpath` made for a container. Nothing is deleted that may be somebody's: a folder goes when it is empty. */
  unmountSubpaths(holder: string): void {
    const folder = join(this.#subpaths, holder);
    if (!existsSync(folder)) return;
    for (const name of readdirSync(folder)) {
      const target = join(folder, name);
      unmountLazily(target);
      if (lstatSync(target).isDirectory()) rmdirSync(target);
      else rmSync(target);
    }
    rmdirSync(folder);
  }
}

function makeTarget(path: string, directory: boolean): void {
  mkdirSync(directory ? path : dirname(path), { recursive: true, mode: 0o700 });
  if (!directory) writeFileSync(path, '', { flag: 'a' });
}

/** The kernel's NFS takes addresses only. */
async function withAddress(options: string): Promise<string> {
  const name = /(?:^|,)addr=([^,]+)/.exec(options)?.[1];
  if (name === undefined) return options;
  try {
    const { address } = await lookup(name);
    return options.replace(`addr=${name}`, `addr=${address}`);
  } catch (error) {
    throw new EngineError('internal', `error resolving passed in network volume address: ${errorMessage(error)}`);
  }
}

/** @param path by whatever links */
function isMounted(path: string): boolean {
  return existsSync(path) && mountPoints().includes(realpathSync(path));
}

/** proc_pid_mountinfo(5), fifth field, without links; blanks and the like are written as octal numbers. */
function mountPoints(): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines.map((line) =>
    (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 8)),
    ),
  );
}
