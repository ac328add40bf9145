import type { ContainerSpec } from '../src/model/container.ts';
import { PLAIN_ISOLATION } from '../src/model/isolation.ts';
import type { BindMount } from '../src/model/mount.ts';

/** A container nothing special was asked for: tests say what is different. */
export const PLAIN_SPEC: ContainerSpec = {
  image: 'busybox',
  hostname: '',
  domainname: '',
  user: '',
  env: [],
  workingDirectory: '',
  tty: false,
  openStdin: false,
  stdinOnce: false,
  attachStdin: false,
  attachStdout: true,
  attachStderr: true,
  labels: {},
  exposedPorts: [],
  links: [],
  privileged: false,
  capAdd: [],
  capDrop: [],
  groupAdd: [],
  readOnlyRoot: false,
  mounts: [],
  volumes: [],
  volumesFrom: [],
  autoRemove: false,
  restartPolicy: { name: 'no', maximumRetries: 0 },
  networkMode: { kind: 'none' },
  endpoints: [],
  portBindings: [],
  publishAll: false,
  dns: [],
  dnsOptions: [],
  dnsSearch: [],
  extraHosts: [],
  securityOptions: [],
  logConfig: { driver: '', options: {} },
  isolation: PLAIN_ISOLATION,
  resources: {},
  oomScoreAdj: 0,
};

/** `-v` of a directory of the host. */
export function bindMount(over: Partial<BindMount> & Pick<BindMount, 'source' | 'destination'>): BindMount {
  const how = { readOnly: false, mode: '', propagation: '', createSource: true, recursive: true };
  return { type: 'bind', origin: 'binds', ...how, ...over };
}
