import { EngineError } from '../../model/errors.ts';
import { hasName, type StoredImage } from './catalog.ts';
import { familiarReference, parseReference, type Reference, withDefaultTag } from './reference.ts';

/**
 * The image a user means: by name with or without tag, by digest, by id, or by the beginning of its id. A name wins over
 * the beginning of an id.
 *
 * @throws EngineError notFound `No such image: x:latest`; invalidArgument when it is no reference, or fits several ids
 */
export function findImage(images: readonly StoredImage[], text: string): StoredImage {
  const id = fullId(text);
  const found = id === undefined ? findByName(images, text) : images.find((image) => image.id === id);
  if (found !== undefined) return found;
  const prefix = idPrefix(text);
  const matching = prefix === undefined ? [] : images.filter((image) => image.id.startsWith(prefix));
  if (matching.length > 1) {
    throw new EngineError('invalidArgument', `multiple IDs found with provided prefix: ${text}`);
  }
  const [match] = matching;
  if (match === undefined) throw new EngineError('notFound', `No such image: ${missingName(text, id)}`);
  return match;
}

/** Whether the text means this image by its id, whole or in part, rather than by a name. */
export function isIdOf(image: StoredImage, text: string): boolean {
  const prefix = idPrefix(text);
  return prefix !== undefined && image.id.startsWith(prefix) && findByName([image], text) === undefined;
}

/** The reference as it is stored, when the text names one. */
export function namedReference(text: string): Reference {
  return withDefaultTag(parseReference(text));
}

function findByName(images: readonly StoredImage[], text: string): StoredImage | undefined {
  if (text.startsWith('sha256:') || fullId(text) !== undefined) return undefined;
  const name = namedReference(text);
  // With tag and digest both, the digest decides, as in Docker.
  const wanted = name.digest === undefined ? name : { name: name.name, digest: name.digest };
  return images.find((image) => hasName(image, wanted) || hasName(image, name));
}

/** The id a text spells out in full. */
export function fullId(text: string): string | undefined {
  const hex = /^(?:sha256:)?([0-9a-f]{64})$/.exec(text)?.[1];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

function idPrefix(text: string): string | undefined {
  const hex = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(text)?.[1];
  return hex === undefined ? undefined : `sha256:${hex}`;
}

function missingName(text: string, id: string | undefined): string {
  return id ?? (text.startsWith('sha256:') ? text : familiarReference(namedReference(text)));
}
