import type { Exchange, Outcome } from '../exchange.ts';
import { withoutParents } from '../filter/images.ts';
import { renderImageSummary } from '../render/image.ts';
import { renderSummary } from '../render/list.ts';
import { renderVolume } from '../render/volume.ts';
import { invalid } from '../status.ts';
import type { EngineSurface } from '../surface.ts';
import { renderBuildCache } from './build.ts';
import { containerSizes } from './containers.ts';

const TYPES: readonly string[] = ['container', 'image', 'volume', 'build-cache'];

/** GET /system/df: everything, or the kinds that ?type= names; the others are null. */
export async function diskUsage(engine: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const types = exchange.query.getAll('type');
  for (const type of types) if (!TYPES.includes(type)) throw invalid(`unknown object type: ${type}`);
  const wanted = (type: string) => types.length === 0 || types.includes(type);
  const [images, containers, volumes, cache] = await Promise.all([
    wanted('image') ? imageUsage(engine, exchange) : { LayersSize: 0, Images: null },
    wanted('container') ? containerUsage(engine, exchange) : null,
    wanted('volume') ? volumeUsage(engine) : null,
    wanted('build-cache') ? engine.builds.usage() : null,
  ]);
  const BuildCache = cache === null ? null : cache.map(renderBuildCache);
  return { status: 200, body: { ...images, Containers: containers, Volumes: volumes, BuildCache } };
}

async function imageUsage(engine: EngineSurface, { version }: Exchange) {
  const [images, usage] = await Promise.all([engine.images.list(), engine.system.diskUsage()]);
  return {
    LayersSize: usage.total,
    Images: withoutParents(images).map((image) => ({
      ...renderImageSummary(image, version, engine.images.containersOf(image.id)),
      SharedSize: usage.shared.get(image.id) ?? 0,
    })),
  };
}

async function containerUsage(engine: EngineSurface, { version }: Exchange) {
  const views = engine.containers.list();
  const sizes = await containerSizes(engine, views, await engine.images.list());
  const now = Date.now();
  return views.map((view) => renderSummary(view, version, now, sizes.get(view.container.id)));
}

async function volumeUsage({ volumes }: EngineSurface) {
  const views = volumes.list();
  const sizes = await volumes.sizes(views.map(({ volume }) => volume.id));
  return views.map((view) => renderVolume(view, sizes.get(view.volume.id) ?? 0));
}
