import type { IdMaps, IdRange } from '../../model/id-map.ts';
import { defaultCgroupNamespace } from './host.ts';
import type { OciIdMapping, OciLinux, OciNamespace } from './oci.ts';
import type { SpecInput } from './spec.ts';

/** Namespaces a container enters instead of getting its own: a path below /proc, or the host's, which is none at all. */
export interface SharedNamespaces {
  readonly pid?: 'host' | { readonly path: string };
  readonly ipc?: 'host' | { readonly path: string };
  /** What becomes its /dev/shm, a folder of the host; without one it gets its own, or none in ipc mode none */
  readonly shm?: string;
}

/** Where a container's users and groups are others than on the host. */
export interface RemappedUsers {
  /** Of the pinned user namespace */
  readonly path: string;
  readonly maps: IdMaps;
}

/** runc wants the maps of a namespace that it enters, too. */
export function idMappings(users: RemappedUsers | undefined): Pick<OciLinux, 'uidMappings' | 'gidMappings'> {
  if (users === undefined) return {};
  const ociMapping = ({ container, host, size }: IdRange): OciIdMapping => ({
    containerID: container,
    hostID: host,
    size,
  });
  return { uidMappings: users.maps.uids.map(ociMapping), gidMappings: users.maps.gids.map(ociMapping) };
}

/** What runc is to make, to enter, and to leave out. */
export function chooseNamespaces({ container, namespacePath, host, users, shared = {} }: SpecInput): OciNamespace[] {
  const cgroupNamespace = container.spec.cgroupNamespace ?? defaultCgroupNamespace(host);
  return [
    ...(users === undefined ? [] : [{ type: 'user' as const, path: users.path }]),
    { type: 'mount' },
    ...(container.spec.isolation.hostUts ? [] : [{ type: 'uts' as const }]),
    ...choose('pid', shared.pid),
    ...choose('ipc', shared.ipc),
    ...(namespacePath === undefined ? [] : [{ type: 'network' as const, path: namespacePath }]),
    ...(cgroupNamespace === 'private' ? [{ type: 'cgroup' as const }] : []),
  ];
}

function choose(type: 'pid' | 'ipc', shared: SharedNamespaces['pid']): OciNamespace[] {
  if (shared === 'host') return [];
  return [shared === undefined ? { type } : { type, path: shared.path }];
}
