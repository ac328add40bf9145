import type { Container, ContainerSpec, PortBinding } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import { checkReadable, readLog } from '../runtime/logs/logs.ts';
import type { TerminalSize } from '../runtime/process/process.ts';
import { listProcesses } from '../runtime/process/ps.ts';
import { writtenSizes } from './archives.ts';
import type { Attachment, AttachRequest } from './attachment.ts';
import { attachContainer } from './container-attach.ts';
import { type ContainerCommit, commitContainer } from './container-commit.ts';
import { type CreateClient, checkName, createContainer } from './container-create.ts';
import { linkedByName, tellLinked } from './container-links.ts';
import { containerPaths } from './container-paths.ts';
import { removeContainer } from './container-remove.ts';
import { restartContainer } from './container-restart.ts';
import { startContainer } from './container-start.ts';
import { killContainer, pauseContainer, runOf, stopContainer, unpauseContainer } from './container-stop.ts';
import { type UpdateRequest, updateContainer } from './container-update.ts';
import { type Core, containerEvent, withContainer } from './core.ts';
import { findContainer } from './lookup.ts';
import { addPorts, removePorts } from './port-changes.ts';
import { matchesPrune, type PruneGuard } from './prune.ts';
import type {
  LogQuery,
  LogRecord,
  Pruned,
  PruneFilters,
  RemoveRequest,
  StopRequest,
  WaitCondition,
  WaitResult,
} from './requests.ts';
import { isActive } from './sandboxes.ts';
import { followStats, readStats, type Stats } from './stats.ts';
import { containerView } from './view-builder.ts';
import type { ContainerView } from './views.ts';

/** `reference`: a full id, a name with or without its slash, or a unique prefix of an id. */
export class Containers {
  readonly #core: Core;
  readonly #pruning: PruneGuard;

  constructor(core: Core, pruning: PruneGuard) {
    this.#core = core;
    this.#pruning = pruning;
  }

  /** @param name undefined: one is made up */
  create(
    name: string | undefined,
    spec: ContainerSpec,
    client?: CreateClient,
  ): Promise<{ id: string; warnings: string[] }> {
    return createContainer(this.#core, name, spec, client);
  }

  /** @throws EngineError notFound or invalidArgument (ambiguous) in Docker's words */
  find(reference: string): ContainerView {
    return containerView(this.#core, this.#find(reference));
  }

  /** All there are, running or not, in the order they were created. */
  list(): ContainerView[] {
    return [...this.#core.state.containers.values()].map((container) => containerView(this.#core, container));
  }

  isTty(reference: string): boolean {
    return this.#find(reference).spec.tty;
  }

  /** @throws EngineError notModified when it runs already */
  start(reference: string): Promise<void> {
    return startContainer(this.#core, reference);
  }

  /** @throws EngineError notModified when it does not run */
  stop(reference: string, request: StopRequest): Promise<void> {
    return stopContainer(this.#core, reference, request);
  }

  /** Of one that does not run: a start. */
  restart(reference: string, request: StopRequest): Promise<void> {
    return restartContainer(this.#core, reference, request);
  }

  /** @param signal name with or without SIG, or number; '' is SIGKILL */
  kill(reference: string, signal: string): Promise<void> {
    return killContainer(this.#core, reference, signal);
  }

  /** @throws EngineError conflict when it does not run, or is paused already */
  pause(reference: string): Promise<void> {
    return pauseContainer(this.#core, reference);
  }

  /** @throws EngineError internal, as Docker, when it is not paused */
  unpause(reference: string): Promise<void> {
    return unpauseContainer(this.#core, reference);
  }

  /** @returns warnings @throws EngineError in Docker's words; then nothing has changed */
  update(reference: string, request: UpdateRequest): Promise<string[]> {
    return updateContainer(this.#core, reference, request);
  }

  /** More published ports, of a running container at once. @throws EngineError; then nothing has changed */
  addPorts(reference: string, bindings: readonly PortBinding[]): Promise<void> {
    return addPorts(this.#core, reference, bindings);
  }

  /** @throws EngineError notFound when one of them is not published; then nothing has changed */
  removePorts(reference: string, bindings: readonly PortBinding[]): Promise<void> {
    return removePorts(this.#core, reference, bindings);
  }

  /** @throws EngineError conflict or invalidArgument in Docker's words */
  async rename(reference: string, name: string): Promise<void> {
    if (reference === '' || name === '') {
      throw new EngineError('invalidArgument', 'Neither old nor new names may be empty');
    }
    const core = this.#core;
    const { id } = this.#find(reference);
    await withContainer(core, id, async () => {
      const container = this.#find(id);
      const renamed = { ...container, name: this.#newName(container.name, name) };
      const linked = linkedByName(core.state, container.name, renamed.name);
      core.state.apply({ put: { containers: [renamed, ...linked] } });
      containerEvent(core, renamed, 'rename', { oldName: `/${container.name}` });
      tellLinked(core, id);
    });
  }

  #newName(former: string, name: string): string {
    if (name.replace(/^\//, '') === former) {
      throw new EngineError('invalidArgument', 'Renaming a container with the same name as its current name');
    }
    try {
      return checkName(this.#core.state, name.startsWith('/') ? name : `/${name}`);
    } catch (error) {
      if (!(error instanceof EngineError)) throw error;
      throw new EngineError(error.kind, `Error when allocating new name: ${error.message}`, { cause: error });
    }
  }

  /** @throws EngineError conflict when it runs and force is not given, or when it is being removed already */
  remove(reference: string, request: RemoveRequest): Promise<void> {
    return removeContainer(this.#core, reference, request);
  }

  /** Makes an image of it. @returns the image's id */
  commit(reference: string, request: ContainerCommit): Promise<string> {
    return commitContainer(this.#core, reference, request);
  }

  /**
   * Waits from this very call on, whenever the promise is looked at.
   * @throws EngineError notFound at once; one with `--rm` that is gone since a moment is still known
   */
  wait(reference: string, condition: WaitCondition, signal: AbortSignal): Promise<WaitResult> {
    const vanished = this.#core.live.codeOfVanished(reference);
    if (vanished !== undefined) return Promise.resolve({ code: vanished });
    const container = this.#find(reference);
    if (condition === 'not-running' && !isActive(container)) {
      return Promise.resolve({ code: container.state.exitCode });
    }
    return this.#core.live.of(container).wait(condition, signal);
  }

  /** @throws EngineError conflict when it is paused */
  async attach(reference: string, request: AttachRequest): Promise<Attachment> {
    return attachContainer(this.#core, reference, request);
  }

  /** A terminal that does not exist yet is born with the size its creation asked for. @throws EngineError conflict when it does not run */
  async resize(reference: string, size: TerminalSize): Promise<void> {
    const container = this.#find(reference);
    await runOf(this.#core, container).process.resize(size);
    const { height, width } = size;
    containerEvent(this.#core, container, 'resize', { height: String(height), width: String(width) });
  }

  /**
   * Following ends with the container's run; of one that does not run there is nothing to follow.
   * @throws EngineError unsupported, at once, when its log driver does not support reading
   */
  logs(reference: string, query: LogQuery): AsyncGenerator<LogRecord, void, undefined> {
    const container = this.#find(reference);
    checkReadable(container);
    return this.#readLogs(container, query);
  }

  async *#readLogs(container: Container, query: LogQuery): AsyncGenerator<LogRecord, void, undefined> {
    const core = this.#core;
    const { run } = core.live.of(container);
    const ended = new AbortController();
    void run?.logged.then(() => ended.abort());
    await run?.log.flush();
    const { log } = containerPaths(core.config, core.state, container);
    const signal = AbortSignal.any([query.signal, ended.signal]);
    yield* readLog(container, log, { ...query, signal }, run?.log);
  }

  /** What it uses now. */
  stats(reference: string): Stats {
    return readStats(this.#core, reference);
  }

  /** The same, each second. */
  followStats(reference: string, signal: AbortSignal): AsyncGenerator<Stats> {
    return followStats(this.#core, reference, signal);
  }

  /** @param psArgs '' is -ef */
  async top(reference: string, psArgs: string): Promise<{ titles: string[]; processes: string[][] }> {
    const core = this.#core;
    const container = this.#find(reference);
    const pids = await runOf(core, container).process.pids();
    const table = await listProcesses(pids, psArgs);
    containerEvent(core, container, 'top');
    return table;
  }

  /** Removes all that do not run. @throws EngineError conflict while another prune runs */
  async prune(filters: PruneFilters): Promise<Pruned> {
    return this.#pruning.run(async () => {
      const core = this.#core;
      const unused = [...core.state.containers.values()]
        .filter(({ created, spec }) => matchesPrune(filters, { created, labels: spec.labels }))
        .filter((container) => !isActive(container))
        .map(({ id }) => id);
      const sizes = await writtenSizes(core, unused);
      const deleted: string[] = [];
      for (const id of unused) if (await this.#pruneOne(id)) deleted.push(id);
      const reclaimed = deleted.reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0);
      core.events.emit('container', 'prune', '', { reclaimed: String(reclaimed) });
      return { deleted, reclaimed };
    });
  }

  /** One that was started or removed meanwhile is none of ours. */
  async #pruneOne(id: string): Promise<boolean> {
    try {
      await this.remove(id, { force: false, volumes: false, link: false });
      return true;
    } catch (error) {
      if (error instanceof EngineError && (error.kind === 'conflict' || error.kind === 'notFound')) return false;
      throw error;
    }
  }

  #find(reference: string) {
    return findContainer(this.#core.state.containers, reference);
  }
}
