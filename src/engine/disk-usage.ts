import type { Image } from '../model/image.ts';

export interface LayerUsage {
  /** Bytes of all layers, each counted once */
  readonly total: number;
  /** Bytes of those layers of an image that others have too, by the image's id */
  readonly shared: ReadonlyMap<string, number>;
}

/** A layer is the same where everything below it is the same, too. */
export function layerUsage(images: readonly Pick<Image, 'id' | 'layers' | 'layerSizes'>[]): LayerUsage {
  const holders = new Map<string, { readonly size: number; readonly images: string[] }>();
  for (const { id, layers, layerSizes } of images) {
    for (const [index, size] of layerSizes.entries()) {
      const stack = layers.slice(0, index + 1).join();
      const layer = holders.get(stack) ?? { size, images: [] };
      layer.images.push(id);
      holders.set(stack, layer);
    }
  }
  const shared = new Map(images.map(({ id }) => [id, 0]));
  let total = 0;
  for (const layer of holders.values()) {
    total += layer.size;
    if (layer.images.length < 2) continue;
    for (const id of layer.images) shared.set(id, (shared.get(id) ?? 0) + layer.size);
  }
  return { total, shared };
}
