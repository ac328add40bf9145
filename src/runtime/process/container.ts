import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { EngineError, errorMessage } from '../../model/errors.ts';
import type { Resources } from '../../model/resources.ts';
import { SNAPSHOTTER } from '../containerd/client.ts';
import { RESOURCES_URL } from '../containerd/protos/tasks.ts';
import type { Any, Mount } from '../containerd/protos/types.ts';
import { deviceNumber } from '../spec/devices.ts';
import type { HostFacts } from '../spec/host.ts';
import { decodeSpec } from '../spec/json.ts';
import type { OciProcess, OciSpec, OciUser } from '../spec/oci.ts';
import { ociLimits } from '../spec/resources.ts';
import { resolveUser } from '../spec/user.ts';
import { describeExec, TaskExec } from './exec.ts';
import { FreezeGate } from './freeze-gate.ts';
import type { ExecOptions, ExecProcess, Process, ProcessExit } from './process.ts';
import { HURRY } from './runc.ts';
import { signalInit } from './signal-init.ts';
import { type IoMaker, type ProcessContext, TaskProcess } from './started.ts';
import { createTask, ignoreGone, removeTask } from './task.ts';
import { TaskIo } from './task-io.ts';

export const SIGKILL = 9;
/** What runc's init is called until it becomes the command (runc: libcontainer/nsenter/nsexec.c). */
const INIT = 'runc:[2:INIT]';
/** Milliseconds between looks at it, and how many at most */
const LOOK = 1;
const LOOKS = 1000;
/** How often runc is asked to freeze a container */
const FREEZES = 50;

export interface ContainerContext extends ProcessContext {
  readonly host: HostFacts;
  /** Called while a start takes long: its process may be gone */
  hurryStart(containerId: string): void;
  /** Called once a container is known to run */
  noteStarted(containerId: string): void;
  /** Where the FIFOs of a container's exec go */
  execDirectory(containerId: string, execId: string): string;
}

/** A container's own process, with the task it is the first of. */
export class ContainerProcess extends TaskProcess implements Process {
  protected override readonly context: ContainerContext;
  readonly #gate = new FreezeGate();
  readonly #foreign: boolean;
  #own: OciProcess | undefined;
  #created = 0;
  #started = false;
  #deleted: Promise<void> | undefined;

  /** @param about.foreign nothing is known of how it is run @param about.own as recorded */
  constructor(
    context: ContainerContext,
    containerId: string,
    makeIo: IoMaker,
    { foreign, own }: { readonly foreign: boolean; readonly own?: OciProcess },
  ) {
    super(context, { containerId, execId: '' }, makeIo, 0);
    this.context = context;
    this.#foreign = foreign;
    this.#own = own;
  }

  /** Makes the task: ready to run, not running. @throws GrpcError with runc's words */
  async prepare(mounts: readonly Mount[], options: Any, terminal: boolean): Promise<void> {
    const { containerId } = this.name;
    const request = { containerId, rootfs: mounts, ...this.io.paths, terminal, options };
    this.#created = (await createTask(this.context, request)).pid;
    await this.io.takePipes(this.#created);
  }

  override get pid(): number {
    return super.pid === 0 ? this.#created : super.pid;
  }

  override async start(): Promise<void> {
    const hurry = setInterval(() => this.context.hurryStart(this.name.containerId), HURRY);
    try {
      await super.start();
    } finally {
      clearInterval(hurry);
    }
    this.#noteStarted();
  }

  /** For one that a former daemon started. @param exit how it ended meanwhile, if it did */
  resumeWatch(pid: number, exit: ProcessExit | undefined): void {
    this.#noteStarted();
    this.runsAs(pid);
    if (exit === undefined) this.watch();
    else this.settle(exit);
  }

  #noteStarted(): void {
    this.#started = true;
    this.context.noteStarted(this.name.containerId);
  }

  async limit(resources: Resources): Promise<void> {
    const limits = ociLimits(resources, deviceNumber);
    if (Object.keys(limits).length === 0) return;
    const value = Buffer.from(JSON.stringify(limits));
    await this.context.containerd.tasks.update({ ...this.name, resources: { typeUrl: RESOURCES_URL, value } });
  }

  /** The command gets every signal: sent a moment after the start, it would else end runc's init with 2, as Go does as PID 1. */
  override async kill(signal: number, all = false): Promise<void> {
    for (let looks = 0; signal !== SIGKILL && looks < LOOKS && isInit(this.pid); looks++) await sleep(LOOK);
    // Another runtime may keep the command elsewhere, and pass signals on.
    const direct = !all && !this.#foreign;
    if (!direct || !signalInit(this.pid, this.name.containerId, signal)) await super.kill(signal, all);
  }

  async pause(): Promise<void> {
    await this.#gate.freeze(() => this.#freeze());
  }

  /** runc gives up on a freezer of cgroup v1 after some 0.1 s (libcontainer/cgroups/fs/freezer.go), too soon for a busy machine. */
  async #freeze(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.context.containerd.tasks.pause(this.name);
        return;
      } catch (error) {
        if (attempt === FREEZES || !errorMessage(error).includes('unable to freeze')) throw error;
      }
    }
  }

  async resume(): Promise<void> {
    await this.context.containerd.tasks.resume(this.name);
  }

  async pids(): Promise<number[]> {
    const { processes } = await this.context.containerd.tasks.listPids(this.name);
    return processes.map((process) => process.pid);
  }

  async exec(options: ExecOptions): Promise<ExecProcess> {
    const { containerId } = this.name;
    const { host } = this.context;
    const own = await this.#ownProcess();
    const user = options.user === '' ? undefined : await this.#resolveUser(options.user, options.groupAdd ?? []);
    const directory = this.context.execDirectory(containerId, options.id);
    return await TaskExec.register(
      this.context,
      { containerId, execId: options.id },
      (closeInput) => TaskIo.create(directory, options, closeInput),
      describeExec(own, options, user, host.capabilities),
      (start) => this.#gate.add(start),
    );
  }

  delete(): Promise<void> {
    this.#deleted ??= this.#delete().catch((error: unknown) => {
      this.#deleted = undefined;
      throw error;
    });
    return this.#deleted;
  }

  async #delete(): Promise<void> {
    if (this.#started) await this.io.settled();
    else await this.#endUnstarted();
    this.io.close();
    await removeTask(this.context.containerd, this.name.containerId);
    this.io.remove();
  }

  /** runc's init waits for the start and holds the streams open: the shim would wait 2 s for them to close. */
  async #endUnstarted(): Promise<void> {
    const { tasks } = this.context.containerd;
    await tasks
      .kill({ ...this.name, signal: SIGKILL })
      .then(() => tasks.wait(this.name))
      .catch(ignoreGone);
  }

  /** As the container's record says, which outlives the daemon. */
  async #ownProcess(): Promise<OciProcess> {
    if (this.#own !== undefined) return this.#own;
    const { container } = await this.context.containerd.containers.get({ id: this.name.containerId });
    if (container?.spec === undefined)
      throw new EngineError('internal', 'containerd’s record of the container has no spec');
    // Written by ourselves.
    const spec = decodeSpec(container.spec.value.toString('utf8')) as OciSpec;
    this.#own = spec.process;
    return spec.process;
  }

  /** In the snapshot's layers, not in /proc/PID/root: what the container mounts there must not be able to hold us up. */
  async #resolveUser(user: string, groupAdd: readonly string[]): Promise<OciUser> {
    const { containerd } = this.context;
    const { mounts } = await containerd.snapshots.mounts({ snapshotter: SNAPSHOTTER, key: this.name.containerId });
    return resolveUser(mounts, user, groupAdd);
  }
}

/** runc tells of the start when its init has given its last word, and has yet to call execve(2). */
function isInit(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trimEnd() === INIT;
  } catch {
    return false;
  }
}
