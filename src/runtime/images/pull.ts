import { EngineError } from '../../model/errors.ts';
import { platformName } from '../../model/platform.ts';
import type { Platform, ProgressListener } from '../../model/registry.ts';
import type { Containerd } from '../containerd/client.ts';
import type { Descriptor } from '../containerd/protos/types.ts';
import { openRepository, type RegistryOptions, type RegistryUser } from '../registry/registry.ts';
import type { Repository } from '../registry/repository.ts';
import { type Blobs, MAX_DOCUMENT } from './blobs.ts';
import type { Catalog, StoredImage } from './catalog.ts';
import { hasName } from './catalog.ts';
import { type ParsedConfig, parseConfig } from './config.ts';
import { Fetcher } from './fetch.ts';
import { chainIds, type Layers } from './layers.ts';
import { type Queue, withLease } from './lease.ts';
import type { Reference } from './reference.ts';
import { fetchManifest, imageManifest, type RemoteManifest } from './remote-manifest.ts';
import { storeManifest } from './store-manifest.ts';

export interface PullTools {
  readonly containerd: Containerd;
  readonly blobs: Blobs;
  readonly layers: Layers;
  readonly catalog: Catalog;
  readonly queue: Queue;
  readonly registry: RegistryOptions;
}

export interface PullRequest extends RegistryUser {
  /** With a tag or a digest; with both, the digest decides */
  readonly reference: Reference;
  readonly platform: Platform;
  readonly progress: ProgressListener;
}

/** Brings images from registries: manifest, configuration and layers into containerd, layers unpacked, names last. */
export class Puller {
  readonly #tools: PullTools;
  readonly #fetcher: Fetcher;

  constructor(tools: PullTools) {
    this.#tools = tools;
    this.#fetcher = new Fetcher(tools);
  }

  /**
   * @returns whether the name leads to another image than before
   * @throws EngineError in Docker's words; then nothing of what was new is left
   */
  async pull(request: PullRequest): Promise<boolean> {
    const { reference, progress, signal, auth } = request;
    const wanted = reference.digest ?? reference.tag ?? 'latest';
    const options = { ...this.#tools.registry, auth, signal };
    using open = await openRepository(reference.name, 'pull', options, (repository) =>
      fetchManifest(repository, wanted, signal),
    );
    const { repository, answer: top } = open;
    progress({ status: `Pulling from ${repository.path}`, id: wanted });
    const remote = await imageManifest(repository, top, request.platform, signal);
    const names = namesFor(reference, top.digest);
    const id = remote.manifest.config.digest;
    const newer = (await this.#nameExisting(id, names)) ?? (await this.#pullNew(request, repository, remote, names));
    progress({ status: `Digest: ${top.digest}` });
    return newer;
  }

  /** @returns undefined when there is no such image yet; else whether its first name is new to it */
  #nameExisting(id: string, names: readonly Reference[]): Promise<boolean | undefined> {
    return this.#tools.queue.run(async () => {
      const image = (await this.#tools.catalog.all()).find((candidate) => candidate.id === id);
      return image === undefined ? undefined : this.#name(image.id, image.target, names, image);
    });
  }

  async #pullNew(
    request: PullRequest,
    repository: Repository,
    remote: RemoteManifest,
    names: readonly Reference[],
  ): Promise<boolean> {
    const { containerd, blobs, queue } = this.#tools;
    const { manifest } = remote;
    return withLease(containerd, async (lease) => {
      const config = await this.#config(repository, remote, request, lease);
      await this.#fetcher.fetch(repository, { layers: manifest.layers, diffIds: config.layers, lease }, request);
      const chain = chainIds(config.layers).at(-1) ?? '';
      const target = await storeManifest(blobs, { ...remote, chain }, lease);
      return queue.run(() => this.#name(manifest.config.digest, target, names, undefined));
    });
  }

  /** @throws EngineError invalidArgument when the configuration does not belong to this manifest or this kind of host */
  async #config(
    repository: Repository,
    { manifest }: RemoteManifest,
    { signal, platform }: PullRequest,
    lease: string,
  ): Promise<ParsedConfig> {
    const { config, layers } = manifest;
    if (config.size > MAX_DOCUMENT)
      throw new EngineError('invalidArgument', 'invalid image: configuration is too large');
    await this.#fetcher.document(repository, config, lease, signal);
    const parsed = parseConfig(await this.#tools.blobs.readDocument(config.digest));
    if (parsed.os !== '' && parsed.os !== 'linux') {
      throw new EngineError(
        'invalidArgument',
        `cannot download image with operating system "${parsed.os}" when requesting "${platformName(platform)}"`,
      );
    }
    if (parsed.layers.length === layers.length) return parsed;
    throw new EngineError('invalidArgument', 'invalid manifest, layers length mismatch');
  }

  async #name(
    id: string,
    target: Descriptor,
    names: readonly Reference[],
    former: StoredImage | undefined,
  ): Promise<boolean> {
    const [first] = names;
    for (const name of names) await this.#tools.catalog.point(name, { id, target });
    return former === undefined || first === undefined || !hasName(former, first);
  }
}

/** What was asked for, then the digest it leads to now. */
function namesFor({ name, tag, digest }: Reference, found: string): Reference[] {
  if (digest !== undefined) return [{ name, digest }];
  return [
    { name, tag: tag ?? 'latest' },
    { name, digest: found },
  ];
}
