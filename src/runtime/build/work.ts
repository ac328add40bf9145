import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../model/errors.ts';
import type { Owner } from '../../model/id-map.ts';
import { CGROUP_PARENT, hierarchies } from '../cgroup-parent.ts';
import { delegateCgroup } from './delegation.ts';

/** Of our cgroups below Fairway's parent */
const PREFIX = 'build-';
const FOLDERS = ['context', 'tmp', 'base', 'result', 'run', 'runc', 'cgroups', 'empty', 'blobs', 'out', 'documents'];
/** Processes that were killed may take a moment to go. */
const ATTEMPTS = 50;
const ATTEMPT_MS = 20;

/** Everything one build needs on disk and leaves to nobody: gone with it, or with the next start of the daemon. */
export class WorkFolder implements AsyncDisposable {
  readonly path: string;
  readonly cgroup: string;
  readonly #owner: Owner | undefined;

  /** @param root of all builds' folders @param owner who else than the daemon's user is to work in it */
  constructor(root: string, owner?: Owner) {
    const name = randomBytes(8).toString('hex');
    this.path = join(root, name);
    this.cgroup = PREFIX + name;
    this.#owner = owner;
    for (const folder of FOLDERS) mkdirSync(join(this.path, folder), { recursive: true, mode: 0o700 });
    this.own(this.path, ...FOLDERS.map((folder) => join(this.path, folder)));
    if (owner !== undefined) delegateCgroup(this.cgroup, owner);
  }

  /** Gives what was written into it to whoever works in it. */
  own(...paths: readonly string[]): void {
    if (this.#owner === undefined) return;
    for (const path of paths) chownSync(path, this.#owner.uid, this.#owner.gid);
  }

  /** The files the client sent. */
  get context(): string {
    return join(this.path, 'context');
  }

  get temporary(): string {
    return join(this.path, 'tmp');
  }

  /** An image on its way to buildah. */
  get base(): string {
    return join(this.path, 'base');
  }

  /** And back. */
  get result(): string {
    return join(this.path, 'result');
  }

  /** Here-documents of the Dockerfile. */
  get documents(): string {
    return join(this.path, 'documents');
  }

  /** Where what was built is written to, as a file or a folder. */
  get output(): string {
    return join(this.path, 'out', 'root');
  }

  get dockerfile(): string {
    return join(this.path, 'Dockerfile');
  }

  /** Patterns of what buildah leaves out of the context. */
  get ignored(): string {
    return join(this.path, 'ignored');
  }

  /** buildah's own state of what is mounted, which ends with its mount namespace. */
  get run(): string {
    return join(this.path, 'run');
  }

  get runc(): string {
    return join(this.path, 'runc');
  }

  /** The content store's, as whoever works here finds them. */
  get blobs(): string {
    return join(this.path, 'blobs');
  }

  get empty(): string {
    return join(this.path, 'empty');
  }

  /** Where the host's cgroups are put aside, while /sys is replaced. */
  get cgroups(): string {
    return join(this.path, 'cgroups');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeCgroup(this.cgroup);
    await rm(this.path, { recursive: true, force: true, maxRetries: ATTEMPTS, retryDelay: ATTEMPT_MS });
  }
}

/** @param dataRoot the daemon's */
export function workRoot(dataRoot: string): string {
  return join(dataRoot, 'builds', 'work');
}

/** Whether a daemon was killed in the middle of a build. */
export function hasLeftWork(dataRoot: string): boolean {
  const root = workRoot(dataRoot);
  return existsSync(root) && readdirSync(root).length > 0;
}

/** Takes away what builds of a daemon that was killed have left. @returns whether there was anything */
export async function removeLeftWork(root: string): Promise<boolean> {
  const left = readdirSync(root);
  for (const name of left) {
    await removeCgroup(PREFIX + name);
    await rm(join(root, name), { recursive: true, force: true });
  }
  return left.length > 0;
}

async function removeCgroup(name: string): Promise<void> {
  for (const mountPoint of hierarchies(readFileSync('/proc/self/mountinfo', 'utf8'))) {
    const folder = join(mountPoint, CGROUP_PARENT, name);
    for (let attempt = 0; !removeTree(folder) && attempt < ATTEMPTS; attempt++) await sleep(ATTEMPT_MS);
  }
}

/** Only folders can be removed there, the inner ones first. @returns whether it is gone */
function removeTree(folder: string): boolean {
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isDirectory()) removeTree(join(folder, entry.name));
    }
    rmdirSync(folder);
    return true;
  } catch (error) {
    return hasCode(error, 'ENOENT');
  }
}
