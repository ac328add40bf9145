import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type IdMaps, rootOf } from '../model/id-map.ts';
import type { Logger } from '../model/logger.ts';
import { Containerd, NAMESPACE } from './containerd/client.ts';
import { ContainerdProcess } from './containerd/supervise.ts';
import { ContainerFiles } from './files/files.ts';
import { Images } from './images/images.ts';
import { endForgottenLeases } from './images/lease.ts';
import type { RegistryOptions } from './registry/registry.ts';
import { Snapshots } from './snapshots.ts';
import { LocalVolumes } from './volumes/local.ts';

/** containerd's content store in its root. */
const CONTENT = 'io.containerd.content.v1.content';

export interface RuntimeOptions {
  /** What outlives a reboot goes below it */
  readonly dataRoot: string;
  /** What does not */
  readonly execRoot: string;
  readonly logger: Logger;
  /** Socket of a containerd to use; undefined: a private one is run */
  readonly containerd?: string | undefined;
  /** Of containerd's, for all that is kept in it; undefined: "fairway" */
  readonly containerdNamespace?: string | undefined;
  readonly registry: RegistryOptions;
  /** Containers' users and groups are others on the host */
  readonly maps?: IdMaps | undefined;
}

export interface RuntimeVersions {
  readonly containerd: { readonly version: string; readonly revision: string };
  /** '' when runc cannot be asked */
  readonly runc: string;
}

/** The runtime room's entry: containerd, ours or a given one, and what is kept in it. */
export class Runtime {
  readonly containerd: Containerd;
  readonly images: Images;
  readonly snapshots: Snapshots;
  readonly volumes: LocalVolumes;
  readonly files: ContainerFiles;
  /** Where our own containerd keeps blobs, by the hexadecimal digits of their digests; undefined: it is not ours */
  readonly blobs: string | undefined;
  readonly #process: ContainerdProcess | undefined;
  #runc: Promise<string> | undefined;

  private constructor(containerd: Containerd, process: ContainerdProcess | undefined, options: RuntimeOptions) {
    this.containerd = containerd;
    this.blobs = process === undefined ? undefined : join(options.dataRoot, 'containerd', CONTENT, 'blobs', 'sha256');
    this.#process = process;
    const { dataRoot, execRoot, maps } = options;
    const files = new ContainerFiles(execRoot);
    this.files = files;
    this.images = new Images(containerd, {
      ...options,
      ...(maps === undefined ? {} : { own: (directory: string) => files.own(directory, maps) }),
    });
    this.snapshots = new Snapshots(containerd, maps);
    this.volumes = new LocalVolumes(dataRoot, execRoot, maps && rootOf(maps));
  }

  /** @throws EngineError unavailable when containerd is missing, or the given one does not answer */
  static async start(options: RuntimeOptions): Promise<Runtime> {
    const { logger, containerdNamespace: namespace = NAMESPACE } = options;
    const state = join(options.execRoot, 'containerd');
    const socket = options.containerd ?? join(state, 'containerd.sock');
    const root = join(options.dataRoot, 'containerd');
    const process =
      options.containerd === undefined
        ? await ContainerdProcess.start({ root, state, socket, logger, namespace })
        : undefined;
    // Our own has just answered.
    const containerd =
      process === undefined ? await Containerd.connect(socket, { namespace }) : new Containerd(socket, namespace);
    await endForgottenLeases(containerd);
    return new Runtime(containerd, process, options);
  }

  /** Called when our containerd had died and is back: calls that waited in it have failed, and are to be made anew. */
  onRestart(listener: () => void): void {
    this.#process?.onRestart(listener);
  }

  async versions(): Promise<RuntimeVersions> {
    this.#runc ??= runcVersion();
    return { containerd: await this.containerd.version.version({}), runc: await this.#runc };
  }

  /** Containers keep running. @param options.keep leaves our containerd running, too, for the next start to take up */
  async close(options: { readonly keep?: boolean } = {}): Promise<void> {
    this.files.close();
    this.containerd.close();
    await (options.keep === true ? this.#process?.release() : this.#process?.stop());
  }
}

/** From "runc version 1.1.5+ds1\ncommit: …". */
async function runcVersion(): Promise<string> {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  try {
    const { stdout } = await promisify(execFile)('runc', ['--version'], { env });
    return /^runc version (\S+)/.exec(stdout)?.[1] ?? '';
  } catch {
    return '';
  }
}
