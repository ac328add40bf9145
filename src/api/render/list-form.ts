/** Docker's lists are null where they are empty and nobody set them. */
export function orNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}
