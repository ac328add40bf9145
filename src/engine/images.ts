import type { Readable } from 'node:stream';
import type { Image } from '../model/image.ts';
import type { Platform } from '../model/registry.ts';
import type { HistoryRow } from '../runtime/images/history.ts';
import { familiarReference, parseTag } from '../runtime/images/reference.ts';
import type { ImageUser } from '../runtime/images/remove.ts';
import type { Core } from './core.ts';
import { imageEvent, tellOfImage } from './image-events.ts';
import { matchesPrune, type PruneGuard } from './prune.ts';
import type { PruneFilters } from './requests.ts';
import { isActive } from './sandboxes.ts';

export interface ImageImport {
  readonly repository?: string;
  readonly tag?: string;
  readonly changes: readonly string[];
  readonly message: string;
  readonly platform?: Platform;
}

export type ImageRemoval = { readonly Untagged: string } | { readonly Deleted: string };

/** A row of `docker history`. */
export type { HistoryRow };

/** The runtime's images, with events, and with the rule that an image in use stays. */
export class ImageStore {
  readonly #core: Core;
  readonly #pruning: PruneGuard;

  constructor(core: Core, pruning: PruneGuard) {
    this.#core = core;
    this.#pruning = pruning;
  }

  /** @returns its id */
  async import(tar: Readable, request: ImageImport): Promise<string> {
    const id = await this.#images.import(tar, request);
    await tellOfImage(this.#core, 'import', id);
    return id;
  }

  /**
   * @param progress one line for each image loaded: "Loaded image: busybox:latest\n"
   * @param platform images for others are left out
   */
  async load(tar: Readable, progress: (line: string) => void, platform?: Platform): Promise<void> {
    const loaded: string[] = [];
    const note = (line: string) => {
      const reference = /^Loaded image(?: ID)?: (\S+)/.exec(line)?.[1];
      if (reference !== undefined) loaded.push(reference);
      progress(line);
    };
    await this.#images.load(tar, note, platform);
    for (const reference of loaded) {
      const image = await this.#images.find(reference);
      imageEvent(this.#core, 'load', { id: image.id, image, name: reference });
    }
  }

  /** A tar for `load`; the stream fails when an image is not there. */
  save(references: readonly string[]): Readable {
    return this.#images.save(references, (id) => void tellOfImage(this.#core, 'save', id));
  }

  /** Newest first. */
  list(): Promise<Image[]> {
    return this.#images.list();
  }

  /** @param reference name[:tag], name@digest, id or prefix of it @throws EngineError notFound in Docker's words */
  find(reference: string): Promise<Image> {
    return this.#images.find(reference);
  }

  /** Newest first, with the bytes each step added. */
  history(reference: string): Promise<HistoryRow[]> {
    return this.#images.history(reference);
  }

  async tag(source: string, repository: string, tag: string): Promise<void> {
    const image = await this.#images.find(source);
    await this.#images.tag(source, repository, tag);
    imageEvent(this.#core, 'tag', { id: image.id, image, name: familiarReference(parseTag(repository, tag)) });
  }

  /** @throws EngineError conflict in Docker's words when a container needs it */
  async remove(
    reference: string,
    options: { readonly force: boolean; readonly prune: boolean },
  ): Promise<ImageRemoval[]> {
    const { id } = await this.#images.find(reference);
    const images = await this.list();
    const removals = await this.#images.remove(reference, { ...options, inUse: (imageId) => this.#user(imageId) });
    this.#tellRemovals(removals, images, id);
    return removals;
  }

  /** Takes away what no container was made from. @throws EngineError conflict while another prune runs */
  async prune(options: { readonly danglingOnly: boolean; readonly filters: PruneFilters }): Promise<{
    readonly deleted: readonly ImageRemoval[];
    /** Bytes */
    readonly reclaimed: number;
  }> {
    return this.#pruning.run(async () => {
      const images = await this.list();
      const matching = images.filter(({ created, config }) =>
        matchesPrune(options.filters, { created, labels: config.labels }),
      );
      const wanted = new Set(matching.map(({ id }) => id));
      const pruned = await this.#images.prune({
        danglingOnly: options.danglingOnly,
        inUse: (id) => !wanted.has(id) || this.containersOf(id) > 0,
      });
      this.#tellRemovals(pruned.deleted, images, '');
      this.#core.events.emit('image', 'prune', '', { reclaimed: String(pruned.reclaimed) });
      return pruned;
    });
  }

  /** How many containers were made from this image */
  containersOf(imageId: string): number {
    return this.#core.state.containers
      .values()
      .reduce((sum, container) => sum + Number(container.imageId === imageId), 0);
  }

  get #images() {
    return this.#core.runtime.images;
  }

  /** A running one first: nothing overrides it. */
  #user(imageId: string): ImageUser | undefined {
    const users = [...this.#core.state.containers.values()].filter((container) => container.imageId === imageId);
    const user = users.find(isActive) ?? users[0];
    return user === undefined ? undefined : { container: user.id, running: isActive(user) };
  }

  /** Of layers that go, nothing is told. @param before the images that there were @param id of the image whose names went */
  #tellRemovals(removals: readonly ImageRemoval[], before: readonly Image[], id: string): void {
    const ids = new Set(before.map((image) => image.id));
    for (const removal of removals) {
      if ('Untagged' in removal) {
        const name = removal.Untagged;
        const image = before.find(({ tags, digests }) => tags.includes(name) || digests.includes(name));
        imageEvent(this.#core, 'untag', { id, image, name });
      } else if (ids.has(removal.Deleted)) {
        imageEvent(this.#core, 'delete', { id: removal.Deleted, image: undefined });
      }
    }
  }
}
