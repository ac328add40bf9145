import type { Routes } from '../router.ts';
import type { EngineSurface } from '../surface.ts';

import { archiveRoutes } from './archives.ts';

import { attachmentRoutes } from './attachments.ts';
import { buildRoutes } from './build.ts';

import { containerRoutes } from './containers.ts';
import { execRoutes } from './exec.ts';
import { fairwayRoutes } from './fairway.ts';
import { imageRoutes } from './images.ts';
import { lifecycleRoutes } from './lifecycle.ts';
import { networkRoutes } from './networks.ts';
import { portRoutes } from './ports.ts';
import { refusedRoutes } from './refused.ts';
import { registryRoutes } from './registry.ts';
import { statsRoutes } from './stats.ts';
import { streamRoutes } from './streams.ts';
import { systemRoutes } from './system.ts';
import { volumeRoutes } from './volumes.ts';

/** Everything this server answers. Fixed paths come before those that end in a name of any form. */
export function routes(engine: EngineSurface): Routes[] {
  return [
    systemRoutes(engine),
    containerRoutes(engine),
    archiveRoutes(engine),
    lifecycleRoutes(engine),
    statsRoutes(engine),
    streamRoutes(engine),
    execRoutes(engine),
    networkRoutes(engine),
    registryRoutes(engine),
    imageRoutes(engine),
    volumeRoutes(engine),
    buildRoutes(engine),
    fairwayRoutes(engine),
    attachmentRoutes(engine),
    portRoutes(engine),
    refusedRoutes(),
  ];
}
