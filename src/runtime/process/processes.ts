import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasStatus } from '../../grpc/error.ts';
import { EngineError } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import type { OciRuntime } from '../../model/oci-runtime.ts';
import { type Containerd, SNAPSHOTTER } from '../containerd/client.ts';
import { RUNC_OPTIONS_URL, RuncOptions, SPEC_URL, type TaskProcess as TaskState } from '../containerd/protos/tasks.ts';
import { type Any, type Mount, packAny } from '../containerd/protos/types.ts';
import { namesIn } from '../names-in.ts';
import { type HostFacts, readHostFacts } from '../spec/host.ts';
import { encodeSpec } from '../spec/json.ts';
import type { OciSpec } from '../spec/oci.ts';
import { CgroupMoves } from './cgroup-moves.ts';
import { type ContainerContext, ContainerProcess, SIGKILL } from './container.ts';
import { TaskExec } from './exec.ts';
import { provideRuntime } from './foreign.ts';
import { findExecs, holdReaders } from './leftovers.ts';
import type { Process } from './process.ts';
import { HURRY, hurryStart, noteStarted } from './runc.ts';
import { endShim, findShims, isClearing, type Shim } from './shims.ts';
import { startError } from './start-error.ts';
import { ignoreGone, ignoreMissing, removeTask } from './task.ts';
import { type IoChoice, TaskIo } from './task-io.ts';

export type { ExecOptions, Process, ProcessIo } from './process.ts';

/** containerd's shim for runc: one small process for each container, which holds its streams and outlives us. */
const RUNTIME = 'io.containerd.runc.v2';

/** A shim of a busy machine is given so many looks. Milliseconds between them */
const ATTEMPTS = 10;
const PAUSE = 1000;

/** containerd gives itself five seconds to clear up after a shim (runtime/v2/shim.go, cleanupTimeout). Milliseconds between looks */
const CLEARING_LOOKS = 200;
const CLEARING_PAUSE = 50;

/** Docker's words before what containerd or runc had to say */
const TASK_FAILED = 'failed to create task for container: ';

export interface ProcessesOptions {
  /** Of this boot only: FIFOs and runc's state lie below it */
  readonly execRoot: string;
  /** Holds what we make for shims to execute */
  readonly programs: string;
  /** What shims execute, of provideRunc(); '' for runc itself */
  readonly runc: string;
  readonly logger: Logger;
  /** Read from the machine when left out */
  readonly host?: HostFacts;
}

export interface TaskSummary {
  /** The container's id */
  readonly id: string;
  readonly pid: number;
  readonly status: TaskState['status'];
  /** Of one that is stopped */
  readonly exitStatus: number;
  readonly exitedAt: string;
}

/** What says all that is to be known of a task: those in other states may be about to become something else. */
const SETTLED: ReadonlySet<TaskSummary['status']> = new Set(['running', 'paused', 'stopped']);

/** Containers' processes, as containerd's tasks. They outlive us: what restore() finds goes on as if nothing had been. */
export class Processes {
  /** To be told as early as a start or an exec is known of */
  readonly moves = new CgroupMoves();
  readonly #containerd: Containerd;
  readonly #execRoot: string;
  readonly #programs: string;
  readonly #runc: string;
  readonly #context: ContainerContext;
  readonly #closing = new AbortController();

  constructor(containerd: Containerd, { execRoot, programs, runc, logger, host }: ProcessesOptions) {
    this.#containerd = containerd;
    this.#execRoot = execRoot;
    this.#programs = programs;
    this.#runc = runc;
    this.#context = {
      containerd,
      logger,
      host: host ?? readHostFacts(),
      closing: this.#closing.signal,
      open: new Set(),
      hurryStart: (containerId) => this.#hurry(containerId),
      noteStarted: (containerId) => noteStarted(join(this.#states, containerId)),
      execDirectory: (containerId, execId) => join(this.#directory(containerId), `exec-${execId}`),
    };
  }

  /** Makes the container's record, or renews it. containerd's garbage collector keeps the snapshot while the record names it. */
  async record(id: string, spec: OciSpec): Promise<void> {
    const container = {
      id,
      runtime: { name: RUNTIME },
      spec: { typeUrl: SPEC_URL, value: Buffer.from(encodeSpec(spec)) },
      snapshotter: SNAPSHOTTER,
      snapshotKey: id,
    };
    try {
      await this.#containerd.containers.create({ container });
    } catch (error) {
      if (!hasStatus(error, 'ALREADY_EXISTS')) throw startError(error, TASK_FAILED);
      await this.#containerd.containers.update({ container, updateMask: { paths: ['spec'] } });
    }
  }

  /**
   * Makes the task of a container that is recorded: everything is ready to run, and nothing runs yet.
   * @param spec as recorded
   * @param mounts the snapshot's
   * @param choice.runtime in runc's place
   * @throws StartError in Docker's words when runc refuses, with the exit code Docker shows
   */
  async create(
    containerId: string,
    spec: OciSpec,
    mounts: readonly Mount[],
    { runtime, ...choice }: IoChoice & { readonly runtime?: OciRuntime },
  ): Promise<Process> {
    const directory = this.#directory(containerId);
    const process = new ContainerProcess(
      this.#context,
      containerId,
      (closeInput) => TaskIo.prepare(directory, choice, closeInput),
      { foreign: runtime !== undefined, own: spec.process },
    );
    try {
      await process.prepare(mounts, this.#options(runtime), choice.tty);
      return process;
    } catch (error) {
      process.io.remove();
      throw startError(error, TASK_FAILED);
    }
  }

  /**
   * Takes up what a former daemon started: running, or ended with its code. Subscribe to its output at once.
   * @param choice.foreign another runtime runs it than runc
   * @param found what list() said of it a moment ago: it need not be asked for again
   * @returns undefined when there is no such task, or it never started (which is then taken away)
   */
  async restore(
    containerId: string,
    { foreign = false, ...choice }: IoChoice & { readonly foreign?: boolean },
    found?: TaskSummary,
  ): Promise<Process | undefined> {
    const state = found !== undefined && SETTLED.has(found.status) ? found : await this.#known(containerId);
    if (state === undefined) return undefined;
    if (state.status === 'created') {
      await this.#end(containerId);
      return undefined;
    }
    const directory = this.#directory(containerId);
    const process = new ContainerProcess(
      this.#context,
      containerId,
      (closeInput) => TaskIo.restore(directory, choice, closeInput),
      { foreign },
    );
    const exit = state.status === 'stopped' ? { code: state.exitStatus, at: state.exitedAt } : undefined;
    process.resumeWatch(state.pid, exit);
    return process;
  }

  /**
   * Comes first after the start of the daemon: shims that its predecessor left waiting, for a reader or for a start, go on.
   * @returns to be disposed of when the containers have been restored
   */
  unblock(): Disposable {
    const hurryAll = () => {
      for (const containerId of namesIn(this.#states)) this.#hurry(containerId);
    };
    hurryAll();
    using until = new DisposableStack();
    const hurrying = setInterval(hurryAll, HURRY);
    until.defer(() => clearInterval(hurrying));
    const root = this.#streams;
    for (const { containerId, execId, directory, tty, stdin } of findExecs(root)) {
      const makeIo = (closeInput: () => Promise<void>) => TaskIo.reopen(directory, { tty, stdin }, closeInput);
      TaskExec.adopt(this.#context, { containerId, execId }, makeIo);
    }
    until.use(holdReaders(root));
    return until.move();
  }

  /** All tasks, whoever started them: for finding what to restore and what a crash left behind. */
  async list(): Promise<TaskSummary[]> {
    const { tasks } = await this.#containerd.tasks.list({});
    return tasks.map(({ id, pid, status, exitStatus, exitedAt }) => ({ id, pid, status, exitStatus, exitedAt }));
  }

  /**
   * Containers with a record in containerd or a folder for their streams: a start that was cut off may have come no further.
   * @param but these: a record holds the whole of a container's spec, and decoding a hundred of them takes longer than all else here
   */
  async remains(but: readonly string[] = []): Promise<string[]> {
    const filters = but.length === 0 ? [] : [but.map((id) => `id!=${id}`).join()];
    const { containers } = await this.#containerd.containers.list({ filters });
    return [...new Set([...containers.map(({ id }) => id), ...namesIn(this.#streams)])];
  }

  /** Ends what runs, and removes task and record. Missing is fine. */
  async discard(containerId: string): Promise<void> {
    await this.#end(containerId);
    await this.#containerd.containers.delete({ id: containerId }).catch(ignoreMissing);
    TaskIo.removeDirectory(this.#directory(containerId));
  }

  /**
   * Waits until containerd has done with what a former daemon asked it to take away. Who starts the same container before that may
   * lose it: to containerd its task would be gone, or be ended.
   */
  async cleared(): Promise<void> {
    for (let look = 0; look < CLEARING_LOOKS && isClearing(this.#containerd); look++) await sleep(CLEARING_PAUSE);
  }

  /** Those of this containerd, whatever it knows of them, and what is left of others. */
  shims(): Shim[] {
    return findShims(this.#containerd, this.#bundles);
  }

  /** One whose task containerd does not know. */
  endShim(shim: Shim): void {
    endShim(shim, [this.#bundles, this.#states, join(this.#foreignStates, this.#containerd.namespace)]);
  }

  /** Stops watching. Containers go on; their output waits in the FIFOs. */
  close(): void {
    this.#closing.abort();
    this.moves[Symbol.dispose]();
    for (const io of this.#context.open) io.close();
  }

  /** runc itself looks by itself. */
  #hurry(containerId: string): void {
    if (this.#runc !== '') hurryStart(join(this.#states, containerId));
  }

  #options(runtime: OciRuntime | undefined): Any {
    const options =
      runtime === undefined
        ? { root: dirname(this.#states), binaryName: this.#runc }
        : { root: this.#foreignStates, binaryName: provideRuntime(this.#programs, runtime) };
    return packAny(RUNC_OPTIONS_URL, RuncOptions, options);
  }

  /** A shim that does not answer within two seconds has a task in no known state (containerd: services/tasks/local.go): it is asked again. */
  async #known(containerId: string): Promise<TaskState | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const state = await this.#state(containerId);
      if (state?.status !== 'unknown') return state;
      if (attempt === ATTEMPTS)
        throw new EngineError('unavailable', `the shim of container ${containerId} does not answer`);
      await sleep(PAUSE);
    }
  }

  async #state(containerId: string): Promise<TaskState | undefined> {
    try {
      const { process } = await this.#containerd.tasks.get({ containerId });
      return process;
    } catch (error) {
      ignoreMissing(error);
      return undefined;
    }
  }

  /**
   * Removing comes first, whatever the task's state. Where a daemon died before it heard that its task was removed, the shim
   * has no task any more and lives on, and containerd ends it only when it is told to remove what it says is not there.
   */
  async #end(containerId: string): Promise<void> {
    try {
      await removeTask(this.#containerd, containerId);
    } catch (error) {
      const state = await this.#state(containerId);
      if (state === undefined) return;
      if (state.status === 'stopped' || state.status === 'created') throw error;
      await this.#kill(containerId, state);
      await removeTask(this.#containerd, containerId);
    }
  }

  async #kill(containerId: string, { status }: TaskState): Promise<void> {
    const ended = this.#containerd.tasks.wait({ containerId });
    await this.#containerd.tasks.kill({ containerId, signal: SIGKILL, all: true }).catch(ignoreGone);
    // SIGKILL does not reach what is frozen until it is thawed.
    if (status === 'paused') await this.#containerd.tasks.resume({ containerId }).catch(ignoreGone);
    await ended.catch(ignoreGone);
  }

  #directory(containerId: string): string {
    return join(this.#streams, containerId);
  }

  /** containerd's, with a folder for each task */
  get #bundles(): string {
    return join(dirname(this.#containerd.socket), 'io.containerd.runtime.v2.task', this.#containerd.namespace);
  }

  /** runc's, with a folder for each container */
  get #states(): string {
    return join(this.#execRoot, 'runc', this.#containerd.namespace);
  }

  /** Of other runtimes, which shall not find what runc keeps: below it the same */
  get #foreignStates(): string {
    return join(this.#execRoot, 'runtimes');
  }

  /** Holds a folder for each container */
  get #streams(): string {
    return join(this.#execRoot, 'io');
  }
}
