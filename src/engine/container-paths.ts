import { join } from 'node:path';
import type { Container } from '../model/container.ts';
import type { EngineConfig } from './config.ts';
import { sandboxOwnerId } from './sandboxes.ts';
import type { State } from './state.ts';
import type { ContainerPaths } from './views.ts';

/** Everything of one container that is a file. */
export function containerFolder({ dataRoot }: EngineConfig, id: string): string {
  return join(dataRoot, 'containers', id);
}

/** A container that shares another's network shares its files, too. */
export function containerPaths(config: EngineConfig, state: State, container: Container): ContainerPaths {
  const network = containerFolder(config, sandboxOwnerId(state, container));
  return {
    hosts: join(network, 'hosts'),
    hostname: join(network, 'hostname'),
    resolvConf: join(network, 'resolv.conf'),
    log: join(containerFolder(config, container.id), logName(container)),
  };
}

/** Docker's places. What `local` keeps is nobody else's to read, so it has a folder of its own. */
function logName({ id, spec }: Container): string {
  return spec.logConfig.driver === 'local' ? join('local-logs', 'container.log') : `${id}-json.log`;
}
