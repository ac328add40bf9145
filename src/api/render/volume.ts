import type { VolumeView } from '../../engine/views.ts';

/** One volume, wherever it is shown. @param usage for `system df`: bytes */
export function renderVolume({ volume, mountpoint, users }: VolumeView, usage?: number) {
  return {
    CreatedAt: volume.created,
    Driver: 'local',
    Labels: orNull(volume.labels),
    Mountpoint: mountpoint,
    Name: volume.id,
    Options: orNull(volume.options),
    Scope: 'local',
    ...(usage === undefined ? {} : { UsageData: { RefCount: users, Size: usage } }),
  };
}

function orNull(map: Readonly<Record<string, string>>) {
  return Object.keys(map).length === 0 ? null : map;
}
