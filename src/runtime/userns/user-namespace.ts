import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NetworkNamespace } from '../../kernel/netns.ts';
import { isPinned, pin, unpin } from '../../kernel/pins.ts';
import { EngineError } from '../../model/errors.ts';
import type { IdMaps, IdRange } from '../../model/id-map.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * The user namespace of remapped containers: one for all of them, pinned, so that whoever joins another's network, processes or
 * memory has the same rights there as at home. Only a process with a single thread can enter one (setns(2)), so what must be
 * born in it is made by a child.
 */
export class UserNamespace implements Disposable {
  /** For runc */
  readonly path: string;
  readonly maps: IdMaps;
  /** Ready for the next container, so that its start does not wait for a child. */
  #spare: Promise<NetworkNamespace>;

  private constructor(path: string, maps: IdMaps) {
    this.path = path;
    this.maps = maps;
    this.#spare = this.#make();
  }

  /** Takes up the one that an earlier daemon pinned, or makes it. @throws EngineError internal, KernelError */
  static async open(execRoot: string, maps: IdMaps): Promise<UserNamespace> {
    const path = join(execRoot, 'user-namespace');
    if (!(existsSync(path) && isPinned(path))) {
      unpin(path);
      await withChild(['unshare', '--user'], (pid) => {
        writeFileSync(`/proc/${pid}/uid_map`, mapText(maps.uids));
        writeFileSync(`/proc/${pid}/gid_map`, mapText(maps.gids));
        pin(`/proc/${pid}/ns/user`, path);
      });
    }
    return new UserNamespace(path, maps);
  }

  /** A network namespace that is its own: root in the containers may change it, mount its sysfs, and serve low ports. */
  async network(): Promise<NetworkNamespace> {
    const spare = this.#spare;
    this.#spare = this.#make();
    // The second attempt says what is wrong.
    return spare.catch(() => this.#make());
  }

  [Symbol.dispose](): void {
    this.#spare.then((namespace) => namespace[Symbol.dispose]()).catch(() => undefined);
  }

  #make(): Promise<NetworkNamespace> {
    const made = withChild(['nsenter', `--user=${this.path}`, 'unshare', '--net'], (pid) =>
      NetworkNamespace.open(`/proc/${pid}/ns/net`),
    );
    // One that fails while nobody waits for it is told to the next who wants one.
    made.catch(() => undefined);
    return made;
  }
}

/** Starts a process with these words before it, and does something with it while it lives. */
async function withChild<T>(words: readonly string[], work: (pid: number) => T): Promise<T> {
  const [program = '', ...args] = [...words, 'cat'];
  const child = spawn(program, args, { env: { PATH }, stdio: ['pipe', 'pipe', 'pipe'], cwd: '/' });
  const errors: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
  child.stdin.on('error', () => undefined);
  const failed = () => new EngineError('internal', `${words.join(' ')}: ${Buffer.concat(errors).toString().trim()}`);
  try {
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject).once('close', () => reject(failed()));
      // What comes back tells that all programs before it have done their part.
      child.stdout.once('data', () => resolve());
      child.stdin.write('\n');
    });
    return work(child.pid ?? 0);
  } finally {
    child.stdin.end();
  }
}

/** uid_map, gid_map: user_namespaces(7) */
function mapText(ranges: readonly IdRange[]): string {
  return ranges.map(({ container, host, size }) => `${container} ${host} ${size}\n`).join('');
}
