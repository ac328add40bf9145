import { selectVolumes } from '../filter/volumes.ts';
import { parseFilters } from '../parse/filters.ts';
import { queryFlag } from '../parse/query.ts';
import { parseVolumeRequest } from '../parse/volume.ts';
import { orNull } from '../render/list-form.ts';
import { renderVolume } from '../render/volume.ts';
import type { Routes } from '../router.ts';
import type { EngineSurface } from '../surface.ts';

/** Volumes by name. */
export function volumeRoutes({ volumes }: EngineSurface): Routes {
  return {
    'GET /volumes': ({ query }) => {
      const views = selectVolumes(volumes.list(), parseFilters(query.get('filters')));
      return { status: 200, body: { Volumes: views.map((view) => renderVolume(view)), Warnings: null } };
    },
    'POST /volumes/create': async (exchange) => {
      const view = volumes.create(parseVolumeRequest((await exchange.json()) ?? {}));
      return { status: 201, body: renderVolume(view) };
    },
    'POST /volumes/prune': async (exchange) => {
      const filters = parseFilters(exchange.query.get('filters')).require('label', 'label!', 'all');
      // Before API 1.42 there was no difference between anonymous volumes and others.
      const all = filters.boolean('all') ?? !exchange.since('1.42');
      const { deleted, reclaimed } = await volumes.prune({ all, filters: filters.prune(Date.now()) });
      return { status: 200, body: { VolumesDeleted: orNull(deleted), SpaceReclaimed: reclaimed } };
    },
    'GET /volumes/{}': (exchange) => ({ status: 200, body: renderVolume(volumes.find(exchange.parameter())) }),
    'DELETE /volumes/{}': async (exchange) => {
      await volumes.remove(exchange.parameter(), { force: queryFlag(exchange.query, 'force') });
      return { status: 204 };
    },
  };
}
