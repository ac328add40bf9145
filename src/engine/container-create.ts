import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { cpus, hostname } from 'node:os';
import type { Container, ContainerSpec, EndpointRequest, NetworkMode } from '../model/container.ts';
import { NEVER } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import type { Image } from '../model/image.ts';
import type { Mount } from '../model/mount.ts';
import { shortId } from '../model/network.ts';
import type { Platform } from '../model/registry.ts';
import { mergeLogConfig } from '../runtime/logs/settings.ts';
import { parseSignal } from '../runtime/process/signals.ts';
import { chooseCapabilities } from '../runtime/spec/capabilities.ts';
import { mergeEnvironment } from '../runtime/spec/environment.ts';
import { defaultCgroupNamespace } from '../runtime/spec/host.ts';
import { parseSecurityOptions } from '../runtime/spec/security.ts';
import { refuseEndpoints } from './configuration-network.ts';
import { resolveLinks } from './container-links.ts';
import { fillVolumes, type MountPlan, makeWorkingDirectory, planMounts } from './container-mounts.ts';
import { containerFolder } from './container-paths.ts';
import { type Core, containerEvent, withContainer } from './core.ts';
import { checkEndpoint } from './endpoint-check.ts';
import { MAX_ENDPOINTS } from './endpoints.ts';
import { generateName } from './generated-names.ts';
import { mergeHealthCheck } from './health.ts';
import { newId, timestamp } from './ids.ts';
import { expectPlatform, platformWarnings } from './image-platform.ts';
import { containerByName, findContainer, tryFindNetwork } from './lookup.ts';
import { completeIsolation } from './namespaces.ts';
import { portWarnings } from './port-warnings.ts';
import { PORTS_PER_CONTAINER } from './ports.ts';
import { checkRemapped } from './remap.ts';
import { checkResources, completeResources } from './resources.ts';
import type { State } from './state.ts';
import { checkSysctls } from './sysctls.ts';
import { makeVolumes } from './volumes.ts';

/** Who asks for a container. */
export interface CreateClient {
  /** false: one of API 1.40 or older */
  readonly knowsCgroupNamespaces?: boolean;
  /** The image must be for it; undefined: none was asked for */
  readonly platform?: Platform;
}

/** Docker's RestrictedNamePattern. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/**
 * Writes down a container and prepares its root. Nothing of it remains when it throws.
 * @throws EngineError in Docker's words: notFound (image), conflict (name), invalidArgument (the rest)
 */
export async function createContainer(
  core: Core,
  name: string | undefined,
  asked: ContainerSpec,
  client: CreateClient = {},
): Promise<{ id: string; warnings: string[] }> {
  const image = await core.runtime.images.find(asked.image);
  expectPlatform(image, client.platform, asked.image);
  const id = newId();
  const logConfig = mergeLogConfig(asked.logConfig, core.config.log);
  const limits = checkResources(asked.resources, { abilities: core.host.cgroups, cpus: cpus().length });
  const resources = completeResources(limits.resources);
  const cgroupNamespace = asked.cgroupNamespace ?? chooseCgroupNamespace(core, asked, client);
  const merged = mergeImage({ ...asked, logConfig, resources, cgroupNamespace }, image);
  const spec = completeSpec(core, merged, id);
  checkMounts(spec.mounts);
  checkSysctls(spec);
  checkRemapped(core, spec);
  parseSecurityOptions(spec.securityOptions);
  chooseCapabilities(spec, core.host.capabilities);
  if (asked.stopSignal !== undefined) parseSignal(asked.stopSignal);
  if (spec.portBindings.length > PORTS_PER_CONTAINER) {
    throw new EngineError('invalidArgument', `a container can publish ${PORTS_PER_CONTAINER} ports at most`);
  }
  const args = [...(spec.entrypoint ?? []), ...(spec.command ?? [])];
  if (args.length === 0) throw new EngineError('invalidArgument', 'no command specified');
  const plan = planMounts(core, spec);
  await withContainer(core, id, async () => {
    const container: Container = {
      id,
      name: name === undefined ? freeName(core.state, id) : checkName(core.state, name),
      created: timestamp(),
      spec,
      imageId: image.id,
      args,
      env: spec.env,
      restartCount: 0,
      stoppedByHand: false,
      mounts: plan.mounts,
      state: {
        status: 'created',
        pid: 0,
        exitCode: 0,
        oomKilled: false,
        error: '',
        startedAt: NEVER,
        finishedAt: NEVER,
      },
    };
    await prepare(core, container, image, plan);
    containerEvent(core, container, 'create');
  });
  const warnings = [...platformWarnings(image, client.platform), ...limits.warnings, ...portWarnings(core, spec)];
  return { id, warnings };
}

/** The record first, so that the name is taken; then what it speaks of. Until that is there, it counts for nothing after a crash. */
async function prepare(core: Core, container: Container, image: Image, { volumes }: MountPlan): Promise<void> {
  const folder = containerFolder(core.config, container.id);
  const unfinished = { volumes: volumes.map(({ id }) => id) };
  // After a power cut nobody could tell a volume's folder that no record knows from one that holds what is dear to somebody.
  const flush = volumes.length > 0;
  const undo = core.state.apply({ put: { containers: [{ ...container, unfinished }], volumes } }, { flush });
  try {
    mkdirSync(folder, { recursive: true, mode: 0o710 });
    makeVolumes(core, volumes);
    const layers = await core.runtime.snapshots.prepare(container.id, image);
    // First, as in Docker: it is part of what a new volume is filled with.
    await makeWorkingDirectory(core, container, layers);
    await fillVolumes(core, container, layers);
    core.state.apply({ put: { containers: [container] } });
  } catch (error) {
    undo();
    await core.runtime.snapshots.remove(container.id);
    await Promise.all(volumes.map((volume) => core.runtime.volumes.remove(volume.id)));
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

/** What the user did not say, the image says (moby: daemon/commit.go, merge). */
function mergeImage(spec: ContainerSpec, { config }: Image): ContainerSpec {
  const stopSignal = spec.stopSignal ?? config.stopSignal;
  const healthCheck = mergeHealthCheck(spec.healthCheck, config.healthCheck);
  const shell = spec.shell ?? config.shell;
  return {
    ...spec,
    user: spec.user === '' ? config.user : spec.user,
    env: mergeEnvironment(spec.env, config.env),
    entrypoint: spec.entrypoint ?? config.entrypoint,
    command: spec.command ?? config.command,
    workingDirectory: spec.workingDirectory === '' ? config.workingDirectory : spec.workingDirectory,
    labels: { ...config.labels, ...spec.labels },
    volumes: [...new Set([...config.volumes, ...spec.volumes])],
    exposedPorts: [...new Set([...(config.exposedPorts as ContainerSpec['exposedPorts']), ...spec.exposedPorts])],
    ...(stopSignal === undefined ? {} : { stopSignal }),
    ...(healthCheck === undefined ? {} : { healthCheck }),
    ...(shell === undefined ? {} : { shell }),
  };
}

function completeSpec(core: Core, spec: ContainerSpec, id: string): ContainerSpec {
  const { state } = core;
  const networkMode = normalizeMode(state, spec.networkMode);
  return {
    ...spec,
    hostname: spec.hostname === '' ? ownHostname(state, spec, networkMode, id) : spec.hostname,
    networkMode,
    isolation: completeIsolation(core, spec.isolation),
    endpoints: completeEndpoints(state, networkMode, spec.endpoints),
    links: resolveLinks(state, spec.links),
  };
}

/**
 * As in Docker, a privileged container has the host's where there is cgroup v1, and so has one of an older client, whatever the
 * daemon's flag says.
 */
export function chooseCgroupNamespace(
  { host, config }: Core,
  { privileged }: Pick<ContainerSpec, 'privileged'>,
  { knowsCgroupNamespaces = true }: CreateClient = {},
): 'host' | 'private' {
  if ((privileged || !knowsCgroupNamespaces) && !host.unifiedCgroups) return 'host';
  return config.defaults?.cgroupNamespace ?? defaultCgroupNamespace(host);
}

/** The short id, as in Docker; in host mode the host's; with `container:` the other one's. */
function ownHostname(state: State, { isolation }: ContainerSpec, mode: NetworkMode, id: string): string {
  if (mode.kind === 'container') return findContainer(state.containers, mode.container).spec.hostname;
  return mode.kind === 'host' || isolation.hostUts ? hostname() : shortId(id);
}

/** `container:` becomes the full id; a prefix of a network's id becomes the whole, as in Docker. */
function normalizeMode(state: State, mode: NetworkMode): NetworkMode {
  if (mode.kind === 'container') return { ...mode, container: joinedId(state, mode.container) };
  if (mode.kind !== 'network' || mode.name === 'default') return mode;
  const network = tryFindNetwork(state, mode.name);
  return network === undefined || network.name === mode.name ? mode : { ...mode, name: network.id };
}

/** @throws EngineError notFound or invalidArgument in Docker's words */
function joinedId(state: State, reference: string): string {
  try {
    return findContainer(state.containers, reference).id;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new EngineError(error.kind, `joining network namespace of container: ${error.message}`, { cause: error });
  }
}

/**
 * By the networks' names, so that a network made anew under the same name is found again. Who is on host or none is on the
 * network of that name, so that it can be disconnected from it.
 */
function completeEndpoints(state: State, mode: NetworkMode, asked: readonly EndpointRequest[]): EndpointRequest[] {
  if (mode.kind === 'container') return [];
  if (mode.kind !== 'network') return [plainRequest(mode.kind)];
  const nameOf = (reference: string) => tryFindNetwork(state, reference)?.name ?? reference;
  const requests = asked.map((request) => ({ ...request, network: nameOf(request.network) }));
  if (requests.length === 0) requests.push(plainRequest(nameOf(mode.name)));
  if (requests.length > MAX_ENDPOINTS) {
    throw new EngineError('invalidArgument', `a container can be on ${MAX_ENDPOINTS} networks at most`);
  }
  for (const request of requests) checkRequest(state, request);
  return requests;
}

function plainRequest(network: string): EndpointRequest {
  return { network, aliases: [], driverOptions: {}, gatewayPriority: 0 };
}

/** @throws EngineError invalidArgument in Docker's words; a network that is not there yet is judged at the start */
function checkRequest(state: State, request: EndpointRequest): void {
  const network = tryFindNetwork(state, request.network);
  if (network !== undefined) refuseEndpoints(network);
  if (network?.driver === 'host' || network?.driver === 'null') {
    throw new EngineError(
      'invalidArgument',
      network.driver === 'host'
        ? 'cannot connect container to host network - container must be created in host network mode'
        : 'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
  try {
    checkEndpoint(request, network);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    throw new EngineError(error.kind, `invalid config for network ${request.network}: ${error.message}`);
  }
}

/** @throws EngineError invalidArgument or conflict in Docker's words @returns the name without its slash */
export function checkName(state: State, text: string): string {
  const name = text.replace(/^\//, '');
  if (!NAME.test(name)) {
    const allowed = '[a-zA-Z0-9][a-zA-Z0-9_.-]';
    throw new EngineError('invalidArgument', `Invalid container name (${text}), only ${allowed} are allowed`);
  }
  const holder = containerByName(state.containers, name);
  if (holder === undefined) return name;
  const advice = 'You have to remove (or rename) that container to be able to reuse that name.';
  throw new EngineError(
    'conflict',
    `Conflict. The container name "/${name}" is already in use by container "${holder.id}". ${advice}`,
  );
}

/** Names run out before numbers do: then it is called by its id. */
function freeName(state: State, id: string): string {
  for (let attempt = 0; attempt < 6; attempt++) {
    const name = generateName(attempt);
    if (containerByName(state.containers, name) === undefined) return name;
  }
  return shortId(id);
}

/** @throws EngineError invalidArgument for a `--mount` whose source is missing; `-v` makes it at the start */
function checkMounts(mounts: readonly Mount[]): void {
  for (const mount of mounts) {
    if (mount.type !== 'bind' || mount.createSource || existsSync(mount.source)) continue;
    throw new EngineError(
      'invalidArgument',
      `invalid mount config for type "bind": bind source path does not exist: ${mount.source}`,
    );
  }
}
