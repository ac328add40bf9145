import type { StoredImage } from './catalog.ts';
import { familiarReference } from './reference.ts';

/** A row of `docker history`. */
export interface HistoryRow {
  /** The image's id for the newest row; the others have none any more: "<missing>" */
  readonly id: string;
  /** ISO 8601, '' when unknown */
  readonly created: string;
  readonly createdBy: string;
  readonly comment: string;
  readonly tags: readonly string[];
  /** Bytes the step added, unpacked */
  readonly size: number;
}

/** Newest first. Steps that made no layer have no size; layers beyond the recorded history have no row. */
export function imageHistory(image: StoredImage): HistoryRow[] {
  const sizes = image.content.layerSizes.values();
  const rows = image.content.config.history.map((step) => ({
    id: '<missing>',
    created: step.created,
    createdBy: step.createdBy,
    comment: step.comment,
    tags: [],
    size: step.emptyLayer ? 0 : (sizes.next().value ?? 0),
  }));
  const [newest, ...older] = rows.reverse();
  if (newest === undefined) return [];
  const tags = image.names.filter((name) => name.digest === undefined).map(familiarReference);
  return [{ ...newest, id: image.id, tags }, ...older];
}
