import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Container, ContainerSpec } from '../../src/model/container.ts';
import { NEVER } from '../../src/model/container.ts';
import type { Image } from '../../src/model/image.ts';
import type { OciRuntime } from '../../src/model/oci-runtime.ts';
import { type Process, Processes, type ProcessIo } from '../../src/runtime/process/processes.ts';
import { provideRunc } from '../../src/runtime/process/runc.ts';
import { Runtime } from '../../src/runtime/runtime.ts';
import { readHostDevices } from '../../src/runtime/spec/devices.ts';
import { readHostFacts } from '../../src/runtime/spec/host.ts';
import { buildSpec } from '../../src/runtime/spec/spec.ts';
import { resolveUser } from '../../src/runtime/spec/user.ts';
import { busyboxTar } from '../fixtures.ts';
import { NO_REGISTRY_OPTIONS } from '../no-registries.ts';
import { PLAIN_SPEC } from '../plain-spec.ts';
import { silent } from './containerd.ts';

/** A container as the engine would hand it over. */
export function container(args: readonly string[], spec: Partial<ContainerSpec> = {}): Container {
  return {
    id: randomBytes(32).toString('hex'),
    name: 'test',
    created: NEVER,
    spec: { ...PLAIN_SPEC, hostname: 'box', ...spec },
    imageId: 'sha256:0',
    args,
    env: spec.env ?? [],
    restartCount: 0,
    stoppedByHand: false,
    mounts: spec.mounts ?? [],
    state: { status: 'created', pid: 0, exitCode: 0, oomKilled: false, error: '', startedAt: NEVER, finishedAt: NEVER },
  };
}

/** A containerd of the test's own with busybox in it. Containers run in the host's network namespace and touch nothing there. */
export class ProcessRoom implements AsyncDisposable {
  readonly runtime: Runtime;
  readonly execRoot: string;
  readonly runc: string;
  processes: Processes;
  readonly #directory: string;
  readonly #image: Image;
  readonly #ids: string[] = [];

  private constructor(directory: string, runtime: Runtime, image: Image) {
    this.#directory = directory;
    this.#image = image;
    this.runtime = runtime;
    this.execRoot = join(directory, 'run');
    this.runc = provideRunc(join(directory, 'bin', 'runc'));
    this.processes = this.open();
  }

  static async start(): Promise<ProcessRoom> {
    const directory = await mkdtemp(join(tmpdir(), 'fairway-process-'));
    const options = {
      dataRoot: join(directory, 'data'),
      execRoot: join(directory, 'run'),
      logger: silent,
      registry: NO_REGISTRY_OPTIONS,
    };
    const runtime = await Runtime.start(options);
    const source = { repository: 'busybox', tag: 'latest', changes: [], message: '' };
    const id = await runtime.images.import(createReadStream(await busyboxTar()), source);
    for (const name of ['hosts', 'hostname', 'resolv.conf']) await writeFile(join(directory, name), `${name}\n`);
    await mkdir(options.execRoot, { recursive: true });
    return new ProcessRoom(directory, runtime, await runtime.images.find(id));
  }

  /** As a daemon that starts anew sees it. @param containerd ours, in another namespace */
  open(containerd = this.runtime.containerd): Processes {
    const { execRoot, runc } = this;
    return new Processes(containerd, { execRoot, programs: dirname(runc), runc, logger: silent });
  }

  /** @param runtime in runc's place */
  async create(given: Container, runtime?: OciRuntime): Promise<Process> {
    this.#ids.push(given.id);
    const mounts = await this.runtime.snapshots.prepare(given.id, this.#image);
    const file = (name: string) => join(this.#directory, name);
    const spec = buildSpec({
      container: given,
      mounts: given.mounts.filter((mount) => mount.type !== 'volume'),
      files: { hosts: file('hosts'), hostname: file('hostname'), resolvConf: file('resolv.conf') },
      user: resolveUser(mounts, given.spec.user, given.spec.groupAdd),
      host: readHostFacts(),
      hostDevices: given.spec.privileged ? readHostDevices() : [],
    });
    await this.processes.record(given.id, spec);
    const choice = { tty: given.spec.tty, stdin: given.spec.openStdin, ...(runtime && { runtime }) };
    return await this.processes.create(given.id, spec, mounts, choice);
  }

  /** Runs to the end. @returns what it printed, and its code */
  async run(args: readonly string[], spec: Partial<ContainerSpec> = {}): Promise<{ output: string; code: number }> {
    const process = await this.create(container(args, spec));
    const output = collect(process.io);
    await process.start();
    const { code } = await process.exited;
    await process.delete();
    return { output: await output, code };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const id of this.#ids) {
      await this.processes.discard(id);
      await this.runtime.snapshots.remove(id);
    }
    this.processes.close();
    await this.runtime.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** All output, stderr in brackets, as soon as it has ended. */
export async function collect(io: ProcessIo): Promise<string> {
  const parts: string[] = [];
  io.subscribe((stream, chunk) => void parts.push(stream === 'stdout' ? chunk.toString() : `[${chunk}]`));
  await io.ended;
  return parts.join('');
}

/** Resolves when the output so far matches. */
export function until(io: ProcessIo, pattern: RegExp): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const leave = io.subscribe((_, chunk) => {
      text += chunk.toString();
      if (!pattern.test(text)) return;
      leave();
      resolve(text);
    });
  });
}
