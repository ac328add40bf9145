import { EngineError } from '../../model/errors.ts';
import { BASE_VARIANT, fitsPlatform, generation, platformName } from '../../model/platform.ts';
import type { Platform } from '../../model/registry.ts';
import type { IndexEntry } from './manifest.ts';

/**
 * The entry of an index for a platform: the newest variant that runs on the one that is named, else on the plain one.
 * @throws EngineError notFound in Docker's words
 */
export function choosePlatform(entries: readonly IndexEntry[], wanted: Platform): IndexEntry {
  const named = { ...wanted, variant: wanted.variant || (BASE_VARIANT.get(wanted.architecture) ?? '') };
  const fitting = (asked: Platform) =>
    entries.filter(({ platform }) => platform !== undefined && fitsPlatform(platform, asked));
  const [newest] = fitting(named).toSorted(
    (a, b) => generation(b.platform ?? wanted) - generation(a.platform ?? wanted),
  );
  const chosen = newest ?? (wanted.variant === '' ? fitting(wanted)[0] : undefined);
  if (chosen !== undefined) return chosen;
  throw new EngineError('notFound', `no matching manifest for ${platformName(wanted)} in the manifest list entries`);
}
