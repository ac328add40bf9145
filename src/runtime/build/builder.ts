import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex, Readable } from 'node:stream';
import { EngineError, errorMessage } from '../../model/errors.ts';
import { rootOf } from '../../model/id-map.ts';
import type { Logger } from '../../model/logger.ts';
import type { ConfigSection } from '../images/config.ts';
import type { Images } from '../images/images.ts';
import { Queue } from '../images/lease.ts';
import type { HostFacts } from '../spec/host.ts';
import type { RemappedUsers } from '../spec/namespaces.ts';
import { Agents } from './agents.ts';
import { Buildah, type LayerUsage } from './buildah.ts';
import { commonFlags, outputFlags, placeFlags, secretFlags } from './command.ts';
import { readDockerfile, readIgnored, receiveContext } from './context.ts';
import { parseDockerfile } from './dockerfile.ts';
import { Documents } from './documents.ts';
import type { BaseFacts } from './environment.ts';
import type { BuildEvent } from './events.ts';
import { Narrator } from './narrator.ts';
import { contextPaths } from './needs.ts';
import { type BuildPlan, type NamedContext, neededFolders, neededImages, planBuild } from './plan.ts';
import { renderPlan } from './render.ts';
import { giveImage, takeImage } from './transfer.ts';
import { hasLeftWork, removeLeftWork, WorkFolder, workRoot } from './work.ts';

/** What a build is made from. */
export interface BuildSource {
  /** The Dockerfile's text, when it comes beside a context from which everything is left out that is to be; undefined: in the context */
  readonly dockerfile?: string;
  /** What else the Dockerfile may name; folders by the same name in `folder` */
  readonly contexts?: ReadonlyMap<string, NamedContext>;
  /** Opens a named folder, a tar */
  readonly folder?: (name: string) => Readable;
  /** Opens the context, a tar. @param paths of it that are needed, links followed; undefined: all */
  readonly context: (paths?: readonly string[]) => Readable;
}

/** What a build is asked to do, beside its source. */
export interface BuildSettings {
  /** Path of the Dockerfile */
  readonly dockerfile: string;
  readonly arguments: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly target: string;
  readonly useCache: boolean;
  /** Stages that the target does not need are left out */
  readonly skipUnused: boolean;
  readonly output: BuildOutput;
  /** Limits of commands, as buildah's flags: --memory=1g */
  readonly flags: readonly string[];
}

/** What becomes of what was built. */
export type BuildOutput =
  /** An image of this engine's */
  | { readonly kind: 'image' }
  /** It stays in the cache alone */
  | { readonly kind: 'nothing' }
  /** Its files go to whoever wants them, as a tar or as a folder, which is there as long as `send` takes. @param path of it */
  | { readonly kind: 'tar' | 'folder'; readonly send: (path: string) => Promise<void> };

/** Where commands of a build run. */
export interface BuildPlace extends AsyncDisposable {
  /** 64 hexadecimal digits, shown in place of a container's id */
  readonly id: string;
  /** buildah's --network */
  readonly network: string;
  readonly cgroupNamespace: 'host' | 'private';
  /** Host files by the path they have inside: hosts, resolv.conf */
  readonly files: Readonly<Record<string, string>>;
}

export interface BuildHooks {
  readonly signal: AbortSignal;
  /** Told what is going to be done, and the id of the place. @returns who is told what is done */
  readonly begin: (plan: BuildPlan, placeId: string) => (event: BuildEvent) => void;
  /** Does something that is no step of the plan's */
  readonly during: <T>(phase: BuildPhase, work: () => Promise<T>) => Promise<T>;
  /** Fulfilled when whoever listens has caught up */
  readonly drained: () => Promise<void>;
  /** Finds an image, or brings it here. @returns its id: "sha256:…" */
  readonly image: (reference: string) => Promise<string>;
  readonly place: () => Promise<BuildPlace>;
  /** @returns undefined when there is none of that id */
  readonly secret: (id: string) => Promise<Buffer | undefined>;
  /** @returns what carries a connection to the SSH agent of that id; undefined: there is none */
  readonly agent: (id: string) => Promise<((connection: Duplex) => void) | undefined>;
}

type BuildPhase =
  | { readonly kind: 'base'; readonly reference: string }
  /** What was built goes where it is to go. Its id: "sha256:…" */
  | { readonly kind: 'take'; readonly id: string };

export interface BuilderOptions {
  readonly dataRoot: string;
  readonly images: Images;
  readonly host: HostFacts;
  readonly logger: Logger;
  /** Commands run as these, when it is not the host's users */
  readonly users: RemappedUsers | undefined;
  /** Folder of the content store's blobs; undefined: a containerd that is not ours */
  readonly blobs: string | undefined;
}

interface PreparedPlan {
  readonly plan: BuildPlan;
  /** Ids by reference */
  readonly bases: ReadonlyMap<string, string>;
  /** Flags of what was kept for its steps */
  readonly extra: readonly string[];
}

/** What a network namespace's path begins with for buildah */
const BY_PATH = 'ns:';
/** The daemon's end waits for this long at most, in ms. */
const LAST_TIDYING = 5000;

/** Builds images with buildah, and keeps its cache. */
export class Builder {
  readonly #options: BuilderOptions;
  readonly #root: string;
  readonly #buildah: Buildah;
  readonly #transfers = new Queue();
  readonly #stopped = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  #prepared = false;
  /** Working containers of a build may be left in buildah's storage */
  #untidy = false;

  constructor(options: BuilderOptions) {
    this.#options = options;
    this.#root = join(options.dataRoot, 'builds');
    this.#buildah = new Buildah(this.#root, options.users);
    if (hasLeftWork(options.dataRoot)) void this.#idle(() => this.#clearLeft());
  }

  /**
   * Builds an image.
   * @returns its id: "sha256:…"
   * @throws BuildError when a step fails; EngineError for a bad context or Dockerfile, before anything is said
   */
  async build(source: BuildSource, settings: BuildSettings, hooks: BuildHooks): Promise<string> {
    const signal = AbortSignal.any([hooks.signal, this.#stopped.signal]);
    const building = this.#ready().then(() => this.#build(source, settings, { ...hooks, signal }));
    this.#running.add(building);
    try {
      return await building;
    } finally {
      this.#running.delete(building);
      if (this.#untidy && !this.#stopped.signal.aborted) void this.#idle(() => this.#tidy(this.#stopped.signal));
    }
  }

  /** Kills what is being built. */
  async close(): Promise<void> {
    this.#stopped.abort(new EngineError('unavailable', 'the daemon is shutting down'));
    await Promise.allSettled(this.#running);
    if (this.#untidy) await this.#idle(() => this.#tidy(AbortSignal.timeout(LAST_TIDYING)));
  }

  usage(): LayerUsage[] {
    return this.#buildah.usage();
  }

  /** Whether builds are going on, which may use any of the cache. */
  get busy(): boolean {
    return this.#running.size > 0;
  }

  /** Takes the cache away, unless builds are using it. @returns what it was */
  async prune(): Promise<LayerUsage[]> {
    const removed = await this.#idle(async () => {
      const usage = this.usage();
      const trash = join(this.#root, 'trash');
      if (existsSync(this.#buildah.storage)) await rename(this.#buildah.storage, trash);
      for (const folder of [trash, this.#mounts]) await rm(folder, { recursive: true, force: true });
      return usage;
    });
    return removed ?? [];
  }

  get #work(): string {
    return workRoot(this.#options.dataRoot);
  }

  /** What commands keep by `--mount=type=cache`. */
  get #mounts(): string {
    return join(this.#root, 'mounts');
  }

  #workFolder(): WorkFolder {
    const { users } = this.#options;
    return new WorkFolder(this.#work, users && rootOf(users.maps));
  }

  /** buildah keeps cache mounts among its temporary files, which end with the build; from version 1.31 on below another name. */
  #keepMounts(work: WorkFolder): void {
    mkdirSync(this.#mounts, { recursive: true, mode: 0o700 });
    work.own(this.#mounts);
    for (const name of ['buildah-cache', 'buildah-cache-0']) symlinkSync(this.#mounts, join(work.temporary, name));
  }

  async #ready(): Promise<void> {
    mkdirSync(this.#work, { recursive: true, mode: 0o711 });
    // It may be installed meanwhile.
    if (!this.#prepared) this.#buildah.prepare(this.#options.host);
    this.#prepared = true;
    // Whatever tidies up first must not meet a new build.
    await this.#tidying;
  }

  async #build(source: BuildSource, settings: BuildSettings, hooks: BuildHooks): Promise<string> {
    await using work = this.#workFolder();
    this.#keepMounts(work);
    const receive = (paths?: readonly string[]) => this.#receive(source.context(paths), work.context, hooks.signal);
    const beside = source.dockerfile !== undefined;
    if (!beside) await receive();
    const text = source.dockerfile ?? readDockerfile(work.context, settings.dockerfile);
    const plan = planBuild(parseDockerfile(text, settings.dockerfile), {
      ...settings,
      platform: this.#platform,
      contexts: source.contexts ?? new Map(),
    });
    const bases = await this.#findBases(plan, work, hooks);
    if (beside) {
      const paths = this.#haveTriggers(bases) ? undefined : contextPaths(plan);
      if (paths === undefined || paths.length > 0) await receive(paths);
    }
    const ids = new Map(Array.from(bases, ([reference, id]) => [reference, id.replace('sha256:', '')]));
    const documents = new Documents(work);
    for (const name of neededFolders(plan)) {
      const folder = documents.folder(name);
      if (source.folder !== undefined) await this.#receive(source.folder(name), folder, hooks.signal);
    }
    const facts = (reference: string) => this.#factsOf(bases.get(reference));
    writeFileSync(work.dockerfile, renderPlan(plan, { ids, bases: facts, ...documents.keepers }));
    writeFileSync(work.ignored, beside ? '' : readIgnored(work.context).join('\n'));
    const result = await this.#run({ plan, bases, extra: documents.flags }, settings, hooks, work);
    const id = `sha256:${result}`;
    await hooks.during({ kind: 'take', id }, () => this.#hand(settings.output, result, work, hooks.signal));
    return id;
  }

  #receive(tar: Readable, folder: string, signal: AbortSignal): Promise<void> {
    return receiveContext(tar, folder, { users: this.#options.users, signal });
  }

  /** @param result 64 hexadecimal digits */
  async #hand(output: BuildOutput, result: string, work: WorkFolder, signal: AbortSignal): Promise<void> {
    if (output.kind === 'tar' || output.kind === 'folder') await output.send(work.output);
    if (output.kind !== 'image' || (await this.#options.images.has(`sha256:${result}`))) return;
    await takeImage(this.#transfer, result, work, signal);
  }

  /** @returns ids of the images the plan needs, by reference; buildah has them then */
  async #findBases(plan: BuildPlan, work: WorkFolder, hooks: BuildHooks): Promise<ReadonlyMap<string, string>> {
    const bases = new Map<string, string>();
    for (const reference of neededImages(plan)) {
      const known = /^sha256:(.*)$/.exec(reference)?.[1] ?? '';
      // What another build has made need not be one of the engine's images.
      const id = this.#buildah.images().includes(known)
        ? reference
        : await hooks.during({ kind: 'base', reference }, () => hooks.image(reference));
      bases.set(reference, id);
    }
    for (const id of new Set(bases.values())) {
      await this.#transfers.run(() => giveImage(this.#transfer, id, work, hooks.signal));
    }
    return bases;
  }

  /** Whether one of these brings instructions of its own, which may copy anything. */
  #haveTriggers(bases: ReadonlyMap<string, string>): boolean {
    return [...bases.values()].some((id) => (this.#configOf(id).OnBuild ?? []).length > 0);
  }

  #factsOf(id: string | undefined): BaseFacts | undefined {
    if (id === undefined) return undefined;
    const { Env, Shell } = this.#configOf(id);
    return { env: Env ?? [], shell: Shell ?? undefined };
  }

  /** Of an image that buildah has. */
  #configOf(id: string): ConfigSection {
    const image: unknown = JSON.parse(this.#buildah.configuration(id.replace('sha256:', '')));
    return (image as { readonly config?: ConfigSection | null }).config ?? {};
  }

  async #run(
    { plan, bases, extra }: PreparedPlan,
    settings: BuildSettings,
    hooks: BuildHooks,
    work: WorkFolder,
  ): Promise<string> {
    const { host } = this.#options;
    const secrets = await secretFlags(plan, work, hooks);
    await using agents = await Agents.open(plan, work, hooks);
    await using place = await hooks.place();
    const fullId = (prefix: string) => this.#buildah.images().find((id) => id.startsWith(prefix)) ?? prefix;
    const narrator = new Narrator(plan, { bases, tell: hooks.begin(plan, place.id), fullId });
    const flags = [
      ...commonFlags(this.#buildah.policy, settings),
      ...this.#buildah.runFlags(work, host),
      ...placeFlags(place, work),
      ...secrets,
      ...agents.flags,
      ...outputFlags(settings.output, work),
      ...extra,
    ];
    const command = ['build', ...flags, '--file', work.dockerfile, '--ignorefile', work.ignored, work.context];
    try {
      const code = await this.#buildah.run(command, work, {
        network: place.network.startsWith(BY_PATH) ? place.network.slice(BY_PATH.length) : undefined,
        signal: hooks.signal,
        output: (chunk) => {
          narrator.feed(chunk);
          return hooks.drained();
        },
      });
      const failure = narrator.end(code);
      hooks.signal.throwIfAborted();
      if (failure !== undefined) throw failure;
    } catch (error) {
      this.#untidy = true;
      throw error;
    }
    if (narrator.result === '') throw new EngineError('internal', 'buildah did not tell what it has built');
    return narrator.result;
  }

  get #transfer() {
    return { buildah: this.#buildah, images: this.#options.images, blobs: this.#options.blobs };
  }

  get #platform(): string {
    return `linux/${this.#options.host.architecture}`;
  }

  #tidying: Promise<unknown> = Promise.resolve();

  /** Does what needs the storage for itself; new builds wait for it. @returns undefined when builds are going on */
  async #idle<T>(work: () => Promise<T>): Promise<T | undefined> {
    await this.#tidying;
    if (this.busy) return undefined;
    const doing = work();
    this.#tidying = doing.catch((error: unknown) => {
      this.#options.logger.warn('what builds have left could not be taken away', { error: errorMessage(error) });
    });
    return doing.catch(() => undefined);
  }

  async #clearLeft(): Promise<void> {
    await removeLeftWork(this.#work);
    if (existsSync(this.#buildah.storage)) await this.#tidy(this.#stopped.signal);
  }

  async #tidy(signal: AbortSignal): Promise<void> {
    this.#untidy = false;
    if (!this.#buildah.hasLeftContainers) return;
    await using work = this.#workFolder();
    await this.#buildah.ask(['rm', '--all'], work, { signal });
  }
}
