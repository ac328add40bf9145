import type { VolumeView } from '../../engine/views.ts';
import type { Filters } from '../parse/filters.ts';

/** `docker volume ls --filter` knows these. */
const NAMES = ['dangling', 'driver', 'label', 'name'];

/** GET /volumes (moby: volume/service). @throws EngineError invalidArgument */
export function selectVolumes(views: readonly VolumeView[], filters: Filters): VolumeView[] {
  filters.require(...NAMES);
  const name = filters.pattern('name');
  const dangling = filters.boolean('dangling');
  return views.filter(
    ({ volume, users }) =>
      name(volume.id) &&
      filters.some('driver', (driver) => driver === 'local') &&
      filters.labels(volume.labels) &&
      (dangling === undefined || dangling === (users === 0)),
  );
}
