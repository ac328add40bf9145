import { defaultCgroupNamespace } from './host.ts';
import type { OciNamespace } from './oci.ts';
import type { SpecInput } from './spec.ts';

/** Namespaces a container enters instead of getting its own: a path below /proc, or the host's, which is none at all. */
export interface SharedNamespaces {
  readonly pid?: 'host' | { readonly path: string };
  readonly ipc?: 'host' | { readonly path: string };
  /** What becomes its /dev/shm, a folder of the host; without one it gets its own, or none in ipc mode none */
  readonly shm?: string;
}

/** What runc is to make, to enter, and to leave out. */
export function chooseNamespaces({ container, namespacePath, host, shared = {} }: SpecInput): OciNamespace[] {
  const cgroupNamespace = container.spec.cgroupNamespace ?? defaultCgroupNamespace(host);
  return [
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
