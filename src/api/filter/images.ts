import type { Image } from '../../model/image.ts';
import { type Filters, invalidValue } from '../parse/filters.ts';

/** `docker images --filter` knows these. */
const NAMES = ['before', 'dangling', 'label', 'reference', 'since', 'until'];

/** What `before` and `since` name: the moment those images were made, in milliseconds. */
export interface ImageMoments {
  readonly before: readonly number[];
  readonly since: readonly number[];
}

/** Those that somebody sees: without a name others may have been made from it, and it is there for them alone. */
export function withoutParents(images: readonly Image[]): Image[] {
  const parents = new Set(images.map(({ parent }) => parent));
  return images.filter(({ id, tags, digests }) => tags.length + digests.length > 0 || !parents.has(id));
}

/** GET /images/json: newest first. @throws EngineError invalidArgument */
export function selectImages(images: readonly Image[], filters: Filters, moments: ImageMoments, now: number): Image[] {
  filters.require(...NAMES);
  const dangling = filters.boolean('dangling');
  const untils = filters.untils(now);
  const references = filters.get('reference').map(glob);
  const seen = dangling === true ? withoutParents(images) : images;
  const named = references.length === 0 ? seen : seen.map((image) => onlyNamed(image, references));
  const chosen = named.filter((image) => {
    const created = Date.parse(image.created);
    return (
      filters.labels(image.config.labels) &&
      (dangling === undefined || dangling === (image.tags.length === 0)) &&
      untils.every((until) => created < until) &&
      moments.before.every((moment) => created < moment) &&
      moments.since.every((moment) => created > moment) &&
      (references.length === 0 || image.tags.length + image.digests.length > 0)
    );
  });
  return chosen.sort((a, b) => (a.created < b.created ? 1 : -1));
}

/** The image with those of its names that were asked for: `docker images web` shows no other name of the same image. */
function onlyNamed(image: Image, references: readonly RegExp[]): Image {
  const wanted = (name: string) => references.some((pattern) => matchesReference(name, pattern));
  return { ...image, tags: image.tags.filter(wanted), digests: image.digests.filter(wanted) };
}

/** A pattern may speak of the name with or without its tag or digest. */
function matchesReference(name: string, pattern: RegExp): boolean {
  return pattern.test(name) || pattern.test(name.replace(/@.*$|:[^/:]*$/, ''));
}

/** Each star multiplies the work of a mismatch. */
const MOST_STARS = 3;

/** Shell patterns as path.Match has them: * and ? stop at slashes. @throws EngineError invalidArgument */
function glob(pattern: string): RegExp {
  const stars = pattern.replace(/\*+/g, '*');
  if (stars.split('*').length - 1 > MOST_STARS) throw invalidValue('reference', [pattern]);
  const source = stars
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  return new RegExp(`^${source}$`);
}
