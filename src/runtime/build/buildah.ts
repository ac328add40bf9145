import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError } from '../../model/errors.ts';
import { rootOf } from '../../model/id-map.ts';
import { CGROUP_PARENT } from '../cgroup-parent.ts';
import { DEFAULT_APPARMOR_PROFILE } from '../spec/apparmor.ts';
import { DEFAULT_CAPABILITIES } from '../spec/capabilities.ts';
import type { HostFacts } from '../spec/host.ts';
import type { RemappedUsers } from '../spec/namespaces.ts';
import { resolveProfile } from '../spec/seccomp.ts';
import { DEFAULT_PROFILE } from '../spec/seccomp-profile.ts';
import { type Containment, contain } from './contained.ts';
import type { WorkFolder } from './work.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Bytes of what a short command may answer */
const MAX_ANSWER = 16 << 20;

export interface LayerUsage {
  readonly id: string;
  readonly parent: string;
  readonly created: string;
  /** Bytes */
  readonly size: number;
}

/**
 * buildah with a storage and a configuration of its own: nothing of the host's /etc/containers or /var/lib/containers. With remapped
 * users it is their root itself, in their user namespace: files have the owners that containers know, and no command more rights than theirs.
 */
export class Buildah {
  readonly storage: string;
  readonly #root: string;
  readonly #configuration: string;
  readonly #users: RemappedUsers | undefined;

  /** @param root folder to keep everything in */
  constructor(root: string, users: RemappedUsers | undefined) {
    this.#root = root;
    this.#users = users;
    this.storage = join(root, 'storage');
    this.#configuration = join(root, 'etc');
  }

  /** Writes the configuration. @throws EngineError unavailable when the program is missing */
  prepare(host: HostFacts): void {
    if (!PATH.split(':').some((folder) => existsSync(join(folder, 'buildah')))) {
      const advice = 'apt-get install --no-install-recommends buildah';
      throw new EngineError('unavailable', `docker build needs the program buildah on the host: ${advice}`);
    }
    for (const folder of [this.#configuration, this.storage]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    const files: Readonly<Record<string, string>> = {
      'containers.conf': containersConf(),
      'storage.conf': '[storage]\ndriver = "overlay"\n',
      'registries.conf': 'unqualified-search-registries = []\nshort-name-mode = "disabled"\n',
      'policy.json': JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }),
      // buildah knows nothing of kernels' versions, so the conditions are resolved here.
      'seccomp.json': JSON.stringify(resolveProfile(DEFAULT_PROFILE, { ...host, capabilities: DEFAULT_CAPABILITIES })),
      'mounts.conf': '',
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.#configuration, name), text);
    if (this.#users === undefined) return;
    const { uid, gid } = rootOf(this.#users.maps);
    for (const folder of [this.#root, this.#configuration, this.storage]) chownSync(folder, uid, gid);
  }

  /** Where a command's `--signature-policy` is. */
  get policy(): string {
    return join(this.#configuration, 'policy.json');
  }

  /** Flags for commands that run something: as Docker's containers, with runc's state and cgroups where this build's are. */
  runFlags(work: WorkFolder, { seccomp, apparmorProfiles }: HostFacts): string[] {
    const profile = seccomp ? join(this.#configuration, 'seccomp.json') : 'unconfined';
    const apparmor = apparmorProfiles?.has(DEFAULT_APPARMOR_PROFILE) === true;
    return [
      ...['--isolation', 'oci', '--runtime', 'runc', '--runtime-flag', `root=${work.runc}`],
      ...['--cgroup-parent', `${CGROUP_PARENT}/${work.cgroup}/run`],
      // What containers.conf says of these, buildah does not heed.
      ...['--security-opt', `seccomp=${profile}`],
      ...(apparmor ? ['--security-opt', `apparmor=${DEFAULT_APPARMOR_PROFILE}`] : []),
    ];
  }

  /**
   * Runs a command, with all its output as one stream.
   * @param options.network namespace its commands will be in, when it has a path; signal kills it and whatever it has started
   * @returns its exit code, when all it wrote has been heard
   */
  async run(
    args: readonly string[],
    work: WorkFolder,
    options: {
      readonly network: string | undefined;
      readonly signal: AbortSignal;
      readonly output: (chunk: Buffer) => Promise<void>;
    },
  ): Promise<number> {
    const { network, signal, output } = options;
    const child = this.#start(args, work, { network, signal, oneStream: true });
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
    try {
      for await (const chunk of child.stdout ?? []) await output(chunk as Buffer);
      return await promise;
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  /** Runs a short command. @returns what it answers @throws EngineError internal with its own words */
  async ask(
    args: readonly string[],
    work: WorkFolder,
    { signal, blobs }: { readonly signal: AbortSignal; readonly blobs?: string | undefined },
  ): Promise<string> {
    const child = this.#start(args, work, { signal, blobs, oneStream: false });
    const [stdout, stderr, code] = await Promise.all([
      collect(child.stdout, signal),
      collect(child.stderr, signal),
      new Promise<number>((resolve) => {
        child.once('error', () => resolve(1));
        child.once('close', (status) => resolve(status ?? 1));
      }),
    ]);
    signal.throwIfAborted();
    if (code === 0) return stdout;
    const words = stderr.split('\n').findLast((line) => line.startsWith('Error: ')) ?? stderr.trim();
    throw new EngineError('internal', `buildah ${args[0]}: ${words.replace('Error: ', '')}`);
  }

  /** What is kept for later builds. buildah has no command that tells of single layers, so its own index is read. */
  usage(): LayerUsage[] {
    return this.#index('overlay-layers/layers.json').map((layer) => ({
      id: String(layer['id']),
      parent: String(layer['parent'] ?? ''),
      created: String(layer['created'] ?? ''),
      size: Number(layer['diff-size'] ?? 0),
    }));
  }

  /** Whether builds that were killed have left containers: one that fails takes its own away. */
  get hasLeftContainers(): boolean {
    return this.#index('overlay-containers/containers.json').length > 0;
  }

  /** Ids of the images it has, as hexadecimal digits. */
  images(): string[] {
    return this.#index('overlay-images/images.json').map((image) => String(image['id']));
  }

  /**
   * An image's configuration: the digest of these bytes is its id. A question to buildah would be one more start of it, which takes longer
   * than reading many files.
   * @param id hexadecimal digits
   */
  configuration(id: string): string {
    // containers-storage keeps what belongs to an image under its name, in base64 where that has other characters than a file's.
    const name = `=${Buffer.from(`sha256:${id}`).toString('base64')}`;
    const text = readFileSync(join(this.storage, 'overlay-images', id, name), 'utf8');
    if (createHash('sha256').update(text).digest('hex') === id) return text;
    throw new EngineError('internal', `buildah keeps something else as the configuration of ${id}`);
  }

  #index(name: string): readonly Readonly<Record<string, unknown>>[] {
    try {
      const index: unknown = JSON.parse(readFileSync(join(this.storage, name), 'utf8'));
      return Array.isArray(index) ? index : [];
    } catch {
      // Not there before the first build; while it is being replaced, the next look finds it.
      return [];
    }
  }

  #command([name = '', ...args]: readonly string[], work: WorkFolder): string[] {
    const folders = ['--root', this.storage, '--runroot', work.run, '--storage-driver', 'overlay'];
    return ['buildah', ...folders, '--default-mounts-file', join(this.#configuration, 'mounts.conf'), name, ...args];
  }

  #start(
    words: readonly string[],
    work: WorkFolder,
    { signal, ...options }: Pick<Containment, 'blobs' | 'network' | 'oneStream'> & { readonly signal: AbortSignal },
  ): ChildProcess {
    signal.throwIfAborted();
    const containment = { root: this.#root, work, users: this.#users, ...options };
    const [program = '', ...args] = contain(this.#command(words, work), containment);
    const child = spawn(program, args, {
      cwd: work.path,
      env: this.#environment(work),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const kill = () => child.kill('SIGKILL');
    signal.addEventListener('abort', kill, { once: true });
    child.once('close', () => signal.removeEventListener('abort', kill));
    return child;
  }

  #environment(work: WorkFolder): Record<string, string> {
    return {
      PATH,
      HOME: work.temporary,
      TMPDIR: work.temporary,
      CONTAINERS_CONF: join(this.#configuration, 'containers.conf'),
      CONTAINERS_STORAGE_CONF: join(this.#configuration, 'storage.conf'),
      CONTAINERS_REGISTRIES_CONF: join(this.#configuration, 'registries.conf'),
    };
  }
}

/** containers.conf(5): what Docker gives to a container that asks for nothing. */
function containersConf(): string {
  return [
    '[containers]',
    `default_capabilities = ${JSON.stringify(DEFAULT_CAPABILITIES.map((name) => name.replace('CAP_', '')))}`,
    'default_sysctls = []',
    'http_proxy = false',
    '[engine]',
    'cgroup_manager = "cgroupfs"',
    'events_logger = "none"',
    'hooks_dir = []',
    '',
  ].join('\n');
}

async function collect(stream: NodeJS.ReadableStream | null, signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream ?? []) {
      size += (chunk as Buffer).length;
      if (size > MAX_ANSWER) throw new EngineError('internal', 'buildah answered too much');
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
  return Buffer.concat(chunks).toString();
}
