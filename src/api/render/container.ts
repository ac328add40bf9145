import type { ContainerView } from '../../engine/views.ts';
import type { Container, ContainerState } from '../../model/container.ts';
import type { ApiVersion } from '../version.ts';
import { renderHealth, renderHealthCheck } from './health.ts';
import { renderHostConfig } from './hostconfig.ts';
import { orNull } from './list-form.ts';
import { renderMounts } from './mount.ts';
import { renderAddresses, renderEndpoint } from './network.ts';
import { renderPortMap } from './ports.ts';

/** GET /containers/{id}/json: all of Docker's keys. */
export function renderContainer(view: ContainerView, version: ApiVersion) {
  const { container, paths } = view;
  const [path = '', ...args] = container.args;
  return {
    Id: container.id,
    Created: container.created,
    Path: path,
    Args: args,
    State: { ...renderState(container.state), ...renderHealth(view.health) },
    Image: container.imageId,
    ResolvConfPath: paths.resolvConf,
    HostnamePath: paths.hostname,
    HostsPath: paths.hosts,
    // As in Docker, where other drivers keep theirs is not for others to rely on.
    LogPath: container.spec.logConfig.driver === 'json-file' ? paths.log : '',
    Name: `/${container.name}`,
    RestartCount: container.restartCount,
    Driver: 'overlayfs',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: view.apparmorProfile,
    ExecIDs: view.execIds.length === 0 ? null : view.execIds,
    HostConfig: { ...renderHostConfig(container, version), Links: orNull(view.links) },
    // Where the layers lie is containerd's affair; Docker's keys stay, empty.
    GraphDriver: { Data: {}, Name: 'overlayfs' },
    Mounts: renderMounts(container.mounts, view.volumePaths),
    Config: renderConfig(container),
    NetworkSettings: renderNetworkSettings(view, version),
  };
}

function renderState(state: ContainerState) {
  return {
    Status: state.status,
    // As in Docker, a paused container counts as running, and one that waits for its restart as well.
    Running: ['running', 'paused', 'restarting'].includes(state.status),
    Paused: state.status === 'paused',
    Restarting: state.status === 'restarting',
    OOMKilled: state.oomKilled,
    Dead: state.status === 'dead',
    Pid: state.pid,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: state.startedAt,
    FinishedAt: state.finishedAt,
  };
}

/** Config: the user's part with the image's merged in, as it was when the container was made. */
function renderConfig(container: Container) {
  const { spec } = container;
  return {
    Hostname: spec.hostname,
    Domainname: spec.domainname,
    User: spec.user,
    AttachStdin: spec.attachStdin,
    AttachStdout: spec.attachStdout,
    AttachStderr: spec.attachStderr,
    ...(spec.exposedPorts.length === 0
      ? {}
      : { ExposedPorts: Object.fromEntries(spec.exposedPorts.map((port) => [port, {}])) }),
    Tty: spec.tty,
    OpenStdin: spec.openStdin,
    StdinOnce: spec.stdinOnce,
    Env: orNull(container.env),
    Cmd: orNull(spec.command ?? []),
    Entrypoint: orNull(spec.entrypoint ?? []),
    Image: spec.image,
    Volumes: spec.volumes.length === 0 ? null : Object.fromEntries(spec.volumes.map((path) => [path, {}])),
    WorkingDir: spec.workingDirectory,
    ...(spec.networkDisabled === true ? { NetworkDisabled: true } : {}),
    OnBuild: null,
    Labels: spec.labels,
    ...(spec.stopSignal === undefined ? {} : { StopSignal: spec.stopSignal }),
    ...renderHealthCheck(spec),
    ...(spec.stopTimeout === undefined ? {} : { StopTimeout: spec.stopTimeout }),
    // Of old the container's; since 1.44 it is the main endpoint's, and shown here as well.
    ...renderMac(spec.endpoints[0]?.mac),
  };
}

/** Docker leaves the key out where nobody asked for an address. */
function renderMac(mac: string | undefined): { MacAddress?: string } {
  return mac === undefined ? {} : { MacAddress: mac };
}

/**
 * NetworkSettings. The address fields beside Networks repeat the default bridge's endpoint and are blank on every other
 * network, until API 1.52 drops them.
 */
function renderNetworkSettings(view: ContainerView, version: ApiVersion) {
  const onBridge = view.networks.find((network) => network.networkName === 'bridge');
  return {
    Bridge: '',
    SandboxID: view.sandboxId,
    SandboxKey: view.sandboxKey,
    Ports: renderPortMap(view),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: onBridge?.endpoint?.id ?? '',
    ...renderAddresses(onBridge ?? { gateways: [] }),
    MacAddress: onBridge?.endpoint?.mac ?? '',
    Networks: renderNetworks(view, version),
  };
}

/** EndpointSettings by network name, in the order the networks were connected. */
export function renderNetworks({ container, networks }: ContainerView, version: ApiVersion) {
  return Object.fromEntries(
    networks.map((network) => [network.networkName, renderEndpoint(network, container.id, version)]),
  );
}
