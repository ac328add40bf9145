import type { IpAddress } from '../model/address.ts';
import type { NetworkMode } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import type { ProgressListener, RegistryAuth } from '../model/registry.ts';
import type { LayerUsage } from '../runtime/build/buildah.ts';
import type { Builder, BuildHooks, BuildOutput, BuildSettings, BuildSource } from '../runtime/build/builder.ts';
import type { Instruction } from '../runtime/build/dockerfile.ts';
import type { BuildEvent } from '../runtime/build/events.ts';
import { BuildError } from '../runtime/build/failure.ts';
import { parseIgnoreFile } from '../runtime/build/ignore.ts';
import type { BuildPlan, Stage } from '../runtime/build/plan.ts';
import { hasLeftWork } from '../runtime/build/work.ts';
import {
  familiarReference,
  formatReference,
  parseReference,
  parseTag,
  withDefaultTag,
} from '../runtime/images/reference.ts';
import { openBuildPlace } from './build-place.ts';
import type { Core } from './core.ts';
import { imageEvent } from './image-events.ts';
import type { Registries } from './registries.ts';
import { hostGateways } from './sandbox-files.ts';

/** A build's request, parsed. */
export interface BuildRequest extends BuildSettings {
  /** "app", "app:1" */
  readonly tags: readonly string[];
  /** Images are to be pulled though they are here */
  readonly pull: boolean;
  readonly networkMode: NetworkMode;
  readonly extraHosts: readonly string[];
}

export type { BuildEvent, BuildOutput, BuildPlan, BuildSource, Instruction, LayerUsage, Stage };
export { BuildError, parseIgnoreFile };

/** buildah's flags by the names that clients of both kinds have for them. */
export const COMMAND_LIMITS: Readonly<Record<string, string>> = {
  memory: 'memory',
  memswap: 'memory-swap',
  cpushares: 'cpu-shares',
  cpuperiod: 'cpu-period',
  cpuquota: 'cpu-quota',
};
/** The same, for lists like "0-3,5" */
export const CPU_SETS: Readonly<Record<string, string>> = { cpusetcpus: 'cpuset-cpus', cpusetmems: 'cpuset-mems' };
export const CPU_LIST = /^\d+(-\d+)?(,\d+(-\d+)?)*$/;

/** Told to who asks for it. */
export const CACHE_FROM_NOTE =
  '--cache-from has no effect: the cache is what was built here, images are not looked through';

/** Whoever wants a build and follows it. */
export interface BuildListener extends Omit<BuildHooks, 'image' | 'place'> {
  /** Gets the steps of a base's pull */
  readonly progress: ProgressListener;
  /** @param registry "docker.io", "registry.example:5000" */
  readonly credentials: (registry: string) => RegistryAuth | Promise<RegistryAuth>;
  /** Gets the image's id, and its names as they are shown */
  readonly made: (id: string, names: readonly string[]) => void;
}

/** Images made from a Dockerfile. */
export class Builds {
  readonly #core: Core;
  readonly #registries: Registries;
  #builder: Promise<Builder> | undefined;

  constructor(core: Core, registries: Registries) {
    this.#core = core;
    this.#registries = registries;
    // What a killed daemon has left is taken away at once, not when somebody builds again.
    if (hasLeftWork(core.config.dataRoot)) void this.#open();
  }

  /**
   * Builds an image and names it.
   * @returns the image's id
   * @throws EngineError; a BuildError when a step fails. As long as nothing was said, nothing has begun
   */
  async build(source: BuildSource, request: BuildRequest, hooks: BuildListener): Promise<string> {
    const core = this.#core;
    const names = request.tags.map(parseName);
    const builder = await this.#open();
    const id = await builder.build(source, request, {
      ...hooks,
      image: (reference) => this.#image(reference, request, hooks),
      place: () => openBuildPlace(core, request.networkMode, request.extraHosts),
    });
    const image = await core.runtime.images.find(id).catch(() => undefined);
    if (request.output.kind === 'image') imageEvent(core, 'create', { id, image });
    for (const [name, tag] of names) await core.runtime.images.tag(id, name, tag);
    const tagged = names.map(([name, tag]) => familiarReference(parseTag(name, tag)));
    for (const name of tagged) imageEvent(core, 'tag', { id, image, name });
    hooks.made(id, tagged);
    return id;
  }

  /** What `host-gateway` means in a build's `--add-host`; undefined: nothing. */
  hostGateway(): IpAddress | undefined {
    return hostGateways(this.#core.state, this.#core.config)[0];
  }

  /** Layers kept for later builds. */
  async usage(): Promise<readonly LayerUsage[]> {
    return (await this.#open()).usage();
  }

  /** Takes the cache away, unless a build may be using it. */
  async prune(): Promise<readonly LayerUsage[]> {
    const removed = await (await this.#open()).prune();
    const reclaimed = removed.reduce((sum, { size }) => sum + size, 0);
    this.#core.events.emit('builder', 'prune', '', { reclaimed: String(reclaimed) });
    return removed;
  }

  async close(): Promise<void> {
    await (await this.#builder)?.close();
  }

  /** An image that is here is taken as it is, unless it shall be pulled. */
  async #image(image: string, { pull }: BuildRequest, hooks: BuildListener): Promise<string> {
    const { images } = this.#core.runtime;
    if (!pull) {
      const found = await images.find(image).catch(unlessMissing);
      if (found !== undefined) return found.id;
    }
    const { name, tag, digest } = parseReference(image);
    const { signal, progress } = hooks;
    const auth = await hooks.credentials(name.slice(0, name.indexOf('/')));
    // Without a tag a pull would bring all there are.
    const wanted = tag === undefined && digest === undefined ? { tag: 'latest' } : {};
    await this.#registries.pull({ image, auth, signal, progress, ...wanted });
    return (await images.find(image)).id;
  }

  /** Whoever never builds does not load it. */
  #open(): Promise<Builder> {
    this.#builder ??= openBuilder(this.#core);
    return this.#builder;
  }
}

async function openBuilder({ config, runtime, host, logger, userNamespace }: Core): Promise<Builder> {
  const { Builder } = await import('../runtime/build/builder.ts');
  const { dataRoot } = config;
  return new Builder({ dataRoot, images: runtime.images, blobs: runtime.blobs, host, logger, users: userNamespace });
}

/** "docker.io/library/busybox:latest" for "busybox"; an id, and what is no name, stays as it is. */
export function fullReference(image: string): string {
  if (/^sha256:[0-9a-f]{64}$/.test(image)) return image;
  try {
    return formatReference(withDefaultTag(parseReference(image)));
  } catch {
    return image;
  }
}

function unlessMissing(thrown: unknown): undefined {
  if (!(thrown instanceof EngineError) || thrown.kind !== 'notFound') throw thrown;
}

/** @throws EngineError invalidArgument */
function parseName(text: string): [name: string, tag: string] {
  const { name, tag = '', digest } = parseReference(text);
  if (digest !== undefined) throw new EngineError('invalidArgument', 'build tag cannot contain a digest');
  return [name, tag];
}
