import type { Image } from '../model/image.ts';
import type { Core } from './core.ts';

/**
 * Tells of an image, with its labels as long as it is there.
 * @param image undefined: it has gone @param name under which it is told of
 */
export function imageEvent(
  { events }: Pick<Core, 'events'>,
  action: string,
  { id, image, name = id }: { readonly id: string; readonly image: Image | undefined; readonly name?: string },
): void {
  events.emit('image', action, id, { ...image?.config.labels, name });
}

/** The same of an image that is looked up by this reference. */
export async function tellOfImage(core: Core, action: string, reference: string, name?: string): Promise<void> {
  const image = await core.runtime.images.find(reference).catch(() => undefined);
  imageEvent(core, action, { id: reference, image, ...(name === undefined ? {} : { name }) });
}
