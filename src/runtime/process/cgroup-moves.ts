import { closeSync, openSync, readFileSync, readSync, write } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { legacyMounts, UNIFIED } from '../spec/cgroups.ts';

/** What took so long was a wait, and the next one would take about as long. Milliseconds; and what is taken for it before the first */
const WAIT = 1;
const USUAL = 8;
/** Between two moves, as a part of a wait: it counts for as long again, at the shortest. And at most, in milliseconds */
const PART = 0.75;
const LONGEST = 20;
/** Where more are expected, these come so close upon each other that they need none of ours, which hold up whoever forks */
const FEW = 4;

/** A dozen hierarchies, and paths as long as they may be */
const LARGEST = 64 * 1024;

/**
 * Waits ahead of others. Who writes to a `cgroup.procs` waits for a grace period of RCU, 8 to 10 ms in which nobody need be busy; who
 * comes soon after somebody else does not (kernel/cgroup/cgroup.c: cgroup_attach_lock(); kernel/rcu/sync.c). runc moves a process at
 * every start and every exec, some 20 ms after we know of it. Until then we move ourselves, to where we are: that changes nothing.
 */
export class CgroupMoves implements Disposable {
  readonly #buffer = Buffer.alloc(LARGEST);
  /** /proc/self/cgroup, and what it said; undefined: no cgroups here, or none that we may write to */
  #own: number | undefined;
  #known: string | undefined;
  #procs: number | undefined;
  #expected = 0;
  /** What the last wait took, in milliseconds */
  #wait = USUAL;
  #moving: Promise<void> | undefined;
  /** Fulfilled when no write is under way any more: till then its descriptor must not become another file's */
  #written: Promise<void> = Promise.resolve();

  constructor() {
    try {
      this.#own = openSync('/proc/self/cgroup', 'r');
    } catch {
      // A kernel without cgroups: nobody waits there.
    }
  }

  /** From now on until it is disposed of, others do not wait. */
  expect(): Disposable {
    this.#expected += 1;
    this.#moving ??= this.#move().finally(() => (this.#moving = undefined));
    return {
      [Symbol.dispose]: () => {
        this.#expected -= 1;
      },
    };
  }

  /** The same for so many milliseconds. */
  expectFor(milliseconds: number): void {
    const expected = this.expect();
    setTimeout(() => expected[Symbol.dispose](), milliseconds).unref();
  }

  /** Once more, by who is about to let nothing else happen for some milliseconds. */
  renew(): void {
    const procs = this.#expected > 0 && this.#expected <= FEW ? this.#look() : undefined;
    if (procs !== undefined) void this.#moveOnce(procs);
  }

  [Symbol.dispose](): void {
    this.#expected = Number.NEGATIVE_INFINITY;
    void Promise.all([this.#moving, this.#written]).then(() => {
      for (const descriptor of [this.#own, this.#procs]) if (descriptor !== undefined) closeSync(descriptor);
      this.#own = undefined;
      this.#procs = undefined;
    });
  }

  /** Never rejects: what is refused is only slower. */
  async #move(): Promise<void> {
    while (this.#expected > 0) {
      const procs = this.#look();
      if (procs === undefined) return;
      if (this.#expected <= FEW) await this.#moveOnce(procs);
      await sleep(Math.min(this.#wait * PART, LONGEST), undefined, { ref: false });
    }
  }

  /** In another thread, which waits in the kernel. */
  async #moveOnce(procs: number): Promise<void> {
    const begun = performance.now();
    const before = this.#written;
    const written = new Promise<void>((resolve) => write(procs, '0', () => resolve()));
    this.#written = written.then(() => before);
    await written;
    const took = performance.now() - begun;
    if (took > WAIT) this.#wait = took;
  }

  /** Looked up each time: somebody may have moved us, and shall find us there. @returns a descriptor of our cgroup.procs */
  #look(): number | undefined {
    if (this.#own === undefined) return undefined;
    const said = this.#buffer.toString('latin1', 0, readSync(this.#own, this.#buffer, 0, LARGEST, 0));
    if (said !== this.#known) {
      const former = this.#procs;
      if (former !== undefined) void this.#written.then(() => closeSync(former));
      this.#known = said;
      this.#procs = openProcs(said);
    }
    return this.#procs;
  }
}

/** One hierarchy does for all: the lock is the same. @param own /proc/self/cgroup (cgroups(7)) */
function openProcs(own: string): number | undefined {
  const mounts = legacyMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  for (const line of own.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    // What begins with /.. is outside of our cgroup namespace.
    if (controllers === undefined || path === undefined || path.startsWith('/..')) continue;
    const root = controllers === '' ? UNIFIED : mounts.get(controllers.split(',')[0] ?? '');
    const procs = root === undefined ? undefined : openIfOurs(join(root, path, 'cgroup.procs'));
    if (procs !== undefined) return procs;
  }
  return undefined;
}

/** What is mounted may be another part of the tree than the path is told from. */
function openIfOurs(path: string): number | undefined {
  try {
    const isOurs = readFileSync(path, 'latin1').split('\n').includes(String(process.pid));
    return isOurs ? openSync(path, 'w') : undefined;
  } catch {
    return undefined;
  }
}
