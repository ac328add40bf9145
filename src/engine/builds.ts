import type { Readable } from 'node:stream';
import type { NetworkMode } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import { ANONYMOUS, type ProgressListener, type RegistryAuth } from '../model/registry.ts';
import type { LayerUsage } from '../runtime/build/buildah.ts';
import type { Builder, BuildSettings } from '../runtime/build/builder.ts';
import { hasLeftWork } from '../runtime/build/work.ts';
import { familiarReference, parseReference, parseTag } from '../runtime/images/reference.ts';
import { openBuildPlace } from './build-place.ts';
import type { Core } from './core.ts';
import type { Registries } from './registries.ts';

/** POST /build, parsed. */
export interface BuildRequest extends BuildSettings {
  /** "app", "app:1" */
  readonly tags: readonly string[];
  /** Images are to be pulled though they are here */
  readonly pull: boolean;
  readonly networkMode: NetworkMode;
  /** By registry: "registry.example:5000"; Docker Hub by the address of its first API */
  readonly auths: ReadonlyMap<string, RegistryAuth>;
  readonly extraHosts: readonly string[];
}

export type { LayerUsage };

/** Whoever follows a build. */
export interface BuildListener {
  /** Ends the build */
  readonly signal: AbortSignal;
  /** Gets what Docker's classic builder would print, as it happens */
  readonly say: (text: string) => void;
  /** Gets the steps of a base's pull */
  readonly progress: ProgressListener;
  /** Fulfilled when what was said has been taken */
  readonly drained: () => Promise<void>;
  /** Gets the image's id */
  readonly made: (id: string) => void;
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
  async build(context: Readable, request: BuildRequest, hooks: BuildListener): Promise<string> {
    const core = this.#core;
    const names = request.tags.map(parseName);
    const builder = await this.#open();
    const id = await builder.build(context, request, {
      ...hooks,
      image: (reference) => this.#image(reference, request, hooks),
      place: () => openBuildPlace(core, request.networkMode, request.extraHosts),
    });
    for (const [name, tag] of names) await core.runtime.images.tag(id, name, tag);
    const tagged = names.map(([name, tag]) => familiarReference(parseTag(name, tag)));
    for (const name of tagged) core.events.emit('image', 'tag', id, { name });
    hooks.made(id);
    hooks.say(`Successfully built ${id.slice('sha256:'.length, 'sha256:'.length + 12)}\n`);
    for (const name of tagged) hooks.say(`Successfully tagged ${name}\n`);
    return id;
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
  async #image(image: string, { pull, auths }: BuildRequest, { signal, progress }: BuildListener): Promise<string> {
    const { images } = this.#core.runtime;
    if (!pull) {
      const found = await images.find(image).catch(unlessMissing);
      if (found !== undefined) return found.id;
    }
    const { name, tag, digest } = parseReference(image);
    const auth = auths.get(registryKey(name)) ?? ANONYMOUS;
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

/** As the CLI's configuration names registries. */
function registryKey(name: string): string {
  const domain = name.slice(0, name.indexOf('/'));
  return domain === 'docker.io' ? 'https://index.docker.io/v1/' : domain;
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
