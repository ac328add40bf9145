import type { Archives } from '../engine/archives.ts';

import type { Attachments } from '../engine/attachments.ts';
import type { Builds } from '../engine/builds.ts';

import type { Containers } from '../engine/containers.ts';
import type { Events } from '../engine/events.ts';
import type { Execs } from '../engine/execs.ts';
import type { ImageStore } from '../engine/images.ts';
import type { Networks } from '../engine/networks.ts';
import type { Registries } from '../engine/registries.ts';
import type { System } from '../engine/system.ts';
import type { Volumes } from '../engine/volumes.ts';

/** What a class shows: its private fields would otherwise bind us to that very class. */
type Public<T> = { readonly [K in keyof T]: T[K] };

/** The part of the engine the API speaks to; `Engine` is one. */
export interface EngineSurface {
  readonly containers: Public<Containers>;
  readonly archives: Public<Archives>;
  readonly networks: Public<Networks>;
  readonly attachments: Public<Attachments>;
  readonly images: Public<ImageStore>;
  readonly volumes: Public<Volumes>;
  readonly registries: Public<Registries>;
  readonly builds: Public<Builds>;
  readonly execs: Public<Execs>;
  readonly events: Public<Pick<Events, 'subscribe'>>;
  readonly system: Public<System>;
}
