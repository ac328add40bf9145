import type { HistoryRow } from '../../src/engine/images.ts';
import type { EngineInfo, EngineVersion } from '../../src/engine/system-views.ts';
import type { ContainerView, NetworkView, VolumeView } from '../../src/engine/views.ts';
import { parseInterfaceAddress, parseIpAddress, parseMacAddress, parsePrefix } from '../../src/model/address.ts';
import type { ContainerSpec } from '../../src/model/container.ts';
import type { Image } from '../../src/model/image.ts';
import { PLAIN_ISOLATION } from '../../src/model/isolation.ts';
import type { VolumeMount } from '../../src/model/mount.ts';
import type { Network } from '../../src/model/network.ts';
import { readLegacy } from '../../src/runtime/spec/cgroups.ts';
import { NO_REGISTRIES } from '../no-registries.ts';

/** The state behind the recordings of `h5web`: on the default bridge and on h5net, with two published ports. */
export const CONTAINER_ID = 'a3c9e7a1a7697b2249b668b3f0c99008706cb6cbb56fff7b8b12ba44bcaea36f';
const BRIDGE_ID = '91799baafa65076d400360dd1628ed310ca44632dbcfd4dbc899ff754ad6e82f';
const H5NET_ID = '2c858099a99586626d0fa3a4ac997e26842bd001c9fa1c23477988a252162a1b';
const IMAGE_ID = 'sha256:7a206e7f2345626d7345fbe4be9d51e83a2150990943ccad61438976ad3f7fd3';
const SANDBOX_ID = 'ab9658ad6ca59a8e2dfed493857cfdfae5ae70d3992f81ff9672add36c9ce6db';

const bridgeRequest = { network: 'bridge', aliases: [], driverOptions: {}, gatewayPriority: 0 };
const h5netRequest = {
  network: 'h5net',
  aliases: ['web'],
  address: parseIpAddress('10.55.0.10'),
  driverOptions: {},
  gatewayPriority: 0,
};
const any = parseIpAddress('0.0.0.0');

export const volumeMount: VolumeMount = {
  type: 'volume',
  origin: 'binds',
  name: 'h5vol',
  anonymous: false,
  destination: '/data',
  readOnly: false,
  mode: '',
  copy: true,
  subpath: '',
  driverOptions: {},
  labels: {},
};

const spec: ContainerSpec = {
  image: 'busybox',
  hostname: 'a3c9e7a1a769',
  domainname: '',
  user: '',
  env: ['X=1'],
  entrypoint: [],
  command: ['sh', '-c', 'echo hi; while :; do date; sleep 1; done'],
  workingDirectory: '/tmp',
  tty: false,
  openStdin: false,
  stdinOnce: false,
  attachStdin: false,
  attachStdout: false,
  attachStderr: false,
  labels: { a: 'b' },
  exposedPorts: ['53/udp', '80/tcp'],
  links: [],
  privileged: false,
  capAdd: [],
  capDrop: [],
  groupAdd: [],
  readOnlyRoot: false,
  mounts: [volumeMount],
  volumes: [],
  volumesFrom: [],
  autoRemove: false,
  restartPolicy: { name: 'no', maximumRetries: 0 },
  networkMode: { kind: 'network', name: 'bridge' },
  endpoints: [bridgeRequest, h5netRequest],
  portBindings: [
    { protocol: 'udp', containerPort: 53 },
    { protocol: 'tcp', containerPort: 80, hostPorts: { first: 18080, last: 18080 } },
  ],
  publishAll: false,
  dns: [],
  dnsOptions: [],
  dnsSearch: [],
  extraHosts: [],
  isolation: PLAIN_ISOLATION,
  resources: {},
  oomScoreAdj: 0,
  securityOptions: [],
  logConfig: { driver: 'json-file', options: {} },
};

export const containerView: ContainerView = {
  container: {
    id: CONTAINER_ID,
    name: 'h5web',
    created: '2026-11-21T01:22:26.804670930Z',
    spec,
    imageId: IMAGE_ID,
    args: ['sh', '-c', 'echo hi; while :; do date; sleep 1; done'],
    env: ['X=1'],
    restartCount: 0,
    stoppedByHand: false,
    mounts: [volumeMount],
    sandbox: SANDBOX_ID,
    state: {
      status: 'running',
      pid: 8840,
      exitCode: 0,
      oomKilled: false,
      error: '',
      startedAt: '2026-11-21T01:22:27.309039502Z',
      finishedAt: '0001-01-01T00:00:00Z',
    },
  },
  links: [],
  linkNames: [],
  volumePaths: { h5vol: '/var/lib/fairway/volumes/h5vol/_data' },
  networks: [
    {
      networkId: BRIDGE_ID,
      networkName: 'bridge',
      request: bridgeRequest,
      endpoint: {
        id: '2e927e6daab44a5665a11a7fc02a98da5bf6663ccc74bdadced4a629492b8743',
        network: BRIDGE_ID,
        sandbox: SANDBOX_ID,
        container: CONTAINER_ID,
        interfaceName: 'eth0',
        mac: parseMacAddress('02:42:ac:11:00:02'),
        addresses: [parseInterfaceAddress('172.17.0.2/16')],
        gateways: [parseIpAddress('172.17.0.1')],
        ports: [],
      },
      endpointId: '2e927e6daab44a5665a11a7fc02a98da5bf6663ccc74bdadced4a629492b8743',
      gateways: [parseIpAddress('172.17.0.1')],
      dnsNames: [],
    },
    {
      networkId: H5NET_ID,
      networkName: 'h5net',
      request: h5netRequest,
      endpoint: {
        id: 'd02c843825ec105e9cf738f46755060716a5669a07d66230cbcd52e869ab4003',
        network: H5NET_ID,
        sandbox: SANDBOX_ID,
        container: CONTAINER_ID,
        interfaceName: 'eth1',
        mac: parseMacAddress('02:42:0a:37:00:0a'),
        addresses: [parseInterfaceAddress('10.55.0.10/24')],
        gateways: [],
        ports: [],
      },
      endpointId: 'd02c843825ec105e9cf738f46755060716a5669a07d66230cbcd52e869ab4003',
      gateways: [parseIpAddress('10.55.0.1')],
      dnsNames: ['h5web', 'web', 'a3c9e7a1a769'],
    },
  ],
  ports: [
    { protocol: 'udp', containerPort: 53, hostAddress: any, hostPort: 32768, count: 1 },
    { protocol: 'tcp', containerPort: 80, hostAddress: any, hostPort: 18080, count: 1 },
  ],
  sandboxId: SANDBOX_ID,
  sandboxKey: '/run/fairway/netns/ab9658ad6ca5',
  paths: { hosts: '/c/hosts', hostname: '/c/hostname', resolvConf: '/c/resolv.conf', log: '/c/json.log' },
  apparmorProfile: '',
  execIds: [],
};

export const createdView: ContainerView = {
  ...containerView,
  container: {
    ...containerView.container,
    state: { ...containerView.container.state, status: 'created', pid: 0, startedAt: '0001-01-01T00:00:00Z' },
  },
  networks: [
    { networkId: '', networkName: 'bridge', request: bridgeRequest, endpointId: '', gateways: [], dnsNames: [] },
  ],
  ports: [],
  sandboxId: '',
  sandboxKey: '',
};

const h5net: Network = {
  id: H5NET_ID,
  name: 'h5net',
  driver: 'bridge',
  created: '2026-11-21T01:23:21.42945908Z',
  internal: false,
  attachable: false,
  ipv4: true,
  ipv6: false,
  ipamDriver: 'default',
  ipamOptions: {},
  pools: [
    {
      subnet: parsePrefix('10.55.0.0/24'),
      subnetRequested: true,
      gateway: parseIpAddress('10.55.0.1'),
      gatewayRequested: true,
      auxiliary: {},
    },
  ],
  driverOptions: {},
  options: {},
  labels: { l: '1' },
};

export const networkView: NetworkView = {
  network: h5net,
  containers: [
    {
      id: CONTAINER_ID,
      name: 'h5web',
      endpointId: 'd02c843825ec105e9cf738f46755060716a5669a07d66230cbcd52e869ab4003',
      mac: parseMacAddress('02:42:0a:37:00:0a'),
      addresses: [parseInterfaceAddress('10.55.0.10/24')],
    },
  ],
  users: 1,
};

export const hostNetworkView: NetworkView = {
  network: { ...h5net, id: 'f'.repeat(64), name: 'host', driver: 'host', ipamOptions: null, pools: [], labels: {} },
  containers: [],
  users: 0,
};

export const image: Image = {
  id: IMAGE_ID,
  tags: ['busybox:latest'],
  digests: [],
  created: '2026-11-21T01:22:24.937849474Z',
  architecture: 'amd64',
  os: 'linux',
  variant: '',
  author: '',
  comment: 'Imported from -',
  size: 1984172,
  config: {
    env: [],
    entrypoint: [],
    command: [],
    user: '',
    workingDirectory: '',
    labels: {},
    exposedPorts: [],
    volumes: [],
  },
  layers: ['sha256:4777e860c96ee916fca57115ca2b1ecd4ad17d55eb1116cf46c628ba46a67290'],
  layerSizes: [1984172],
  history: [],
};

export const history: HistoryRow[] = [
  {
    id: IMAGE_ID,
    created: '2026-11-21T01:22:24Z',
    createdBy: '',
    comment: 'Imported from -',
    tags: ['busybox:latest'],
    size: 1984172,
  },
];

export const info: EngineInfo = {
  id: '5d6db84e-0000-4000-8000-000000000000',
  name: 'vm',
  version: '0.1.0',
  containers: { running: 2, paused: 0, stopped: 3 },
  images: 3,
  kernelVersion: '6.18.44',
  operatingSystem: 'Debian GNU/Linux 12 (bookworm)',
  osVersion: '12',
  architecture: 'x86_64',
  cpus: 2,
  memory: 25276502016,
  dataRoot: '/var/lib/fairway',
  cgroupVersion: '1',
  limits: readLegacy(new Map()),
  securityOptions: ['name=seccomp,profile=builtin'],
  ipv4Forwarding: true,
  labels: [],
  liveRestore: true,
  debug: false,
  addressPools: [{ base: parsePrefix('172.17.0.0/16'), size: 16 }],
  registries: NO_REGISTRIES,
  proxies: { http: '', https: '', except: '' },
  runtimes: { byName: {}, chosen: 'runc' },
  networkDrivers: ['bridge', 'host', 'null'],
  logDrivers: ['journald', 'json-file', 'local'],
  logDriver: 'json-file',
  containerdVersion: '1.6.20',
  runcVersion: '1.1.5',
  eventListeners: 0,
  warnings: [],
};

export const version: EngineVersion = {
  version: '0.1.0',
  kernelVersion: '6.18.44',
  architecture: 'amd64',
  nodeVersion: '26.0.0',
  containerd: { version: '1.6.20', revision: 'abc' },
  runc: '1.1.5',
};

export const volumeView: VolumeView = {
  volume: { id: 'h5vol', created: '2026-11-21T01:22:26Z', labels: {}, options: {} },
  mountpoint: '/var/lib/fairway/volumes/h5vol/_data',
  users: 1,
};
