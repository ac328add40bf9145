import { EngineError } from '../../model/errors.ts';
import { shortId } from '../../model/network.ts';
import { type Catalog, hasChildren, type StoredImage } from './catalog.ts';
import { findImage, isIdOf, namedReference } from './find.ts';
import { familiarReference, formatReference, type Reference } from './reference.ts';

export type ImageRemoval = { readonly Untagged: string } | { readonly Deleted: string };

/** A container made from an image. */
export interface ImageUser {
  readonly container: string;
  readonly running: boolean;
}

export interface RemoveOptions {
  /** Removes several names at once, and what stopped containers use; never what running ones use */
  readonly force: boolean;
  /** Parents go along that nobody needs: without a name, without other children, and no container's */
  readonly prune: boolean;
  /** A container that was made from the image, a running one first; undefined: none */
  inUse(imageId: string): ImageUser | undefined;
}

/**
 * Docker's rules for `docker rmi`: a name is removed, and the image with its last one; an id removes all names of one
 * repository. Order and wording follow moby/daemon/images/image_delete.go.
 *
 * @throws EngineError conflict when the image is needed; notFound
 */
export async function removeImage(catalog: Catalog, text: string, options: RemoveOptions): Promise<ImageRemoval[]> {
  const images = await catalog.all();
  const image = findImage(images, text);
  const isParent = hasChildren(images, image.id);
  if (isIdOf(image, text)) {
    if (isParent) throw conflict(image, 'cannot be forced', 'image has dependent child images');
    return removeById(catalog, image, options);
  }
  const { going, staying } = splitNames(image, namedReference(text));
  const user = options.inUse(image.id);
  if (!options.force && user !== undefined && isOneRepository(image.names)) {
    throw new EngineError(
      'conflict',
      `conflict: unable to remove repository reference "${text}" (must force) - ` +
        `container ${shortId(user.container)} is using its referenced image ${shortHex(image.id)}`,
    );
  }
  const untagged = going.map((name) => ({ Untagged: familiarReference(name) }));
  if (staying.length === 0 && !isParent && user?.running !== true)
    return [...untagged, ...(await deleteImage(catalog, image, options))];
  if (staying.length === 0) await catalog.keepNameless(image);
  for (const name of going) await catalog.removeName(name);
  return untagged;
}

async function removeById(catalog: Catalog, image: StoredImage, options: RemoveOptions): Promise<ImageRemoval[]> {
  const user = options.inUse(image.id);
  if (user?.running)
    throw conflict(image, 'cannot be forced', `image is being used by running container ${shortId(user.container)}`);
  if (!options.force && !isOneRepository(image.names)) {
    throw conflict(image, 'must be forced', 'image is referenced in multiple repositories');
  }
  if (!options.force && user !== undefined) {
    throw conflict(image, 'must be forced', `image is being used by stopped container ${shortId(user.container)}`);
  }
  const untagged = image.names.map((name) => ({ Untagged: familiarReference(name) }));
  return [...untagged, ...(await deleteImage(catalog, image, options))];
}

/** Removes an image with all its names, and what it was made from as far as nobody needs that. */
export async function deleteImage(
  catalog: Catalog,
  image: StoredImage,
  options: { readonly prune: boolean; inUse(imageId: string): unknown },
): Promise<{ readonly Deleted: string }[]> {
  const deleted: { readonly Deleted: string }[] = [];
  for (let going: StoredImage | undefined = image; going !== undefined; ) {
    const { id, parent }: StoredImage = going;
    const layers = await catalog.removeAll(going);
    deleted.push(...[id, ...layers].map((Deleted) => ({ Deleted })));
    going = options.prune && parent !== undefined ? await forgottenParent(catalog, parent, options) : undefined;
  }
  return deleted;
}

async function forgottenParent(
  catalog: Catalog,
  id: string,
  { inUse }: { inUse(imageId: string): unknown },
): Promise<StoredImage | undefined> {
  const images = await catalog.all();
  const parent = images.find((image) => image.id === id);
  const needed = parent === undefined || parent.names.length > 0 || hasChildren(images, id) || Boolean(inUse(id));
  return needed ? undefined : parent;
}

/** Digests of a repository go with its last tag. */
function splitNames(image: StoredImage, removed: Reference): { going: Reference[]; staying: Reference[] } {
  const others = image.names.filter((name) => formatReference(name) !== formatReference(removed));
  const tagged = others.some((name) => name.name === removed.name && name.digest === undefined);
  const goesToo = (name: Reference) => !tagged && name.name === removed.name && removed.digest === undefined;
  return {
    going: [removed, ...others.filter(goesToo)],
    staying: others.filter((name) => !goesToo(name)),
  };
}

/** At most one tag, and digests of that repository only. */
function isOneRepository(names: readonly Reference[]): boolean {
  const tags = names.filter((name) => name.digest === undefined);
  return names.length <= 1 || (tags.length <= 1 && new Set(names.map((name) => name.name)).size === 1);
}

function conflict(image: StoredImage, force: string, reason: string): EngineError {
  return new EngineError('conflict', `conflict: unable to delete ${shortHex(image.id)} (${force}) - ${reason}`);
}

function shortHex(id: string): string {
  return shortId(id.slice('sha256:'.length));
}
