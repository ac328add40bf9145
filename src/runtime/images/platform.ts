import { EngineError } from '../../model/errors.ts';
import { BASE_VARIANT, platformName } from '../../model/platform.ts';
import type { Platform } from '../../model/registry.ts';
import type { IndexEntry } from './manifest.ts';

/**
 * The entry of an index for a platform: the very variant where one is named; else the plain one before the newer ones.
 * @throws EngineError notFound in Docker's words
 */
export function choosePlatform(entries: readonly IndexEntry[], wanted: Platform): IndexEntry {
  const fitting = entries.filter(
    ({ platform }) => platform?.os === wanted.os && platform.architecture === wanted.architecture,
  );
  const base = BASE_VARIANT.get(wanted.architecture) ?? '';
  const variant = (platform: Platform | undefined) => platform?.variant || base;
  const chosen =
    fitting.find(({ platform }) => variant(platform) === (wanted.variant || base)) ??
    (wanted.variant === '' ? fitting[0] : undefined);
  if (chosen !== undefined) return chosen;
  throw new EngineError('notFound', `no matching manifest for ${platformName(wanted)} in the manifest list entries`);
}
