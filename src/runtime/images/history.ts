import type { StoredImage } from './catalog.ts';
import { familiarReference } from './reference.ts';

/** A row of `docker history`. */
export interface HistoryRow {
  /** The image's for the newest row, its parents' for the next; where none is known any more "<missing>" */
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
export function imageHistory(image: StoredImage, all: readonly StoredImage[]): HistoryRow[] {
  const sizes = image.content.layerSizes.values();
  const rows = image.content.config.history.map((step) => ({
    id: '<missing>',
    created: step.created,
    createdBy: step.createdBy,
    comment: step.comment,
    tags: [],
    size: step.emptyLayer ? 0 : (sizes.next().value ?? 0),
  }));
  const line = lineage(image, all);
  return rows.reverse().map((row, index) => {
    const made = line[index];
    if (made === undefined) return row;
    const tags = made.names.filter((name) => name.digest === undefined).map(familiarReference);
    return { ...row, id: made.id, tags };
  });
}

/** The image, its parent, and so on. */
function lineage(image: StoredImage, all: readonly StoredImage[]): StoredImage[] {
  const parent = all.find(({ id }) => id === image.parent);
  return parent === undefined ? [image] : [image, ...lineage(parent, all)];
}
