import { rmSync } from 'node:fs';
import type { Container, ContainerSpec, NetworkMode } from '../model/container.ts';
import { NEVER } from '../model/container.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import { PLAIN_ISOLATION } from '../model/isolation.ts';
import { shortId } from '../model/network.ts';
import type { BuildPlace } from '../runtime/build/builder.ts';
import { chooseCgroupNamespace } from './container-create.ts';
import { containerFolder, containerPaths } from './container-paths.ts';
import type { Core } from './core.ts';
import { allocateEndpoints, needsResolver } from './endpoints.ts';
import { newId, timestamp } from './ids.ts';
import { describe, enact, endpointOwner, sandboxOwner } from './intent.ts';
import { checkRemapped, providingSandbox } from './remap.ts';
import { writeSandboxFiles } from './sandbox-files.ts';
import { choosePlace } from './sandboxes.ts';

/**
 * Where a build's commands run: in a sandbox made for them, which nobody else sees, on the network of that name or on none, in the
 * host's network, or in a container's.
 * @throws EngineError notFound, conflict, invalidArgument in Docker's words
 */
export async function openBuildPlace(
  core: Core,
  networkMode: NetworkMode,
  extraHosts: readonly string[],
): Promise<BuildPlace> {
  const builder = builderContainer(networkMode, extraHosts);
  checkRemapped(core, builder.spec);
  if (networkMode.kind === 'container') return joinSandbox(core, builder);
  if (networkMode.kind !== 'host') return openSandbox(core, builder);
  writeSandboxFiles(core, builder, [], false);
  return placeOf(core, builder, 'host', () => undefined);
}

async function openSandbox(core: Core, builder: Container): Promise<BuildPlace> {
  const id = newId();
  const sandbox = {
    id,
    namespace: `sandbox:${shortId(id)}` as const,
    resolver: needsResolver(core.state, builder),
  };
  const endpoints = await providingSandbox(core, builder.spec, { kind: 'own', sandbox, fresh: true }, async () => {
    const allocated = allocateEndpoints(core, builder, id);
    await enact(core, { put: { sandboxes: [sandbox], endpoints: allocated } });
    return allocated;
  });
  const close = async () => {
    core.state.apply({ remove: { sandboxes: [id], endpoints: endpoints.map((endpoint) => endpoint.id) } });
    const owners = [...endpoints.map((endpoint) => endpointOwner(endpoint.id)), sandboxOwner(id)];
    await core.reconciler.commit(describe(core, owners));
  };
  try {
    writeSandboxFiles(core, builder, endpoints, sandbox.resolver);
  } catch (error) {
    await close();
    throw error;
  }
  return placeOf(core, builder, `ns:${core.reconciler.sandboxPath(sandbox.namespace)}`, close);
}

/** What is joined must stay: Docker does not hold it either. */
function joinSandbox(core: Core, builder: Container): BuildPlace {
  const place = choosePlace(core, builder, false);
  if (place.kind !== 'joined') throw new EngineError('internal', 'a build cannot join this network');
  const network = place.sandbox === undefined ? 'host' : `ns:${core.reconciler.sandboxPath(place.sandbox.namespace)}`;
  const { hosts, resolvConf } = containerPaths(core.config, core.state, place.owner);
  return {
    id: builder.id,
    network,
    cgroupNamespace: chooseCgroupNamespace(core, builder.spec),
    files: { '/etc/hosts': hosts, '/etc/resolv.conf': resolvConf },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function placeOf(core: Core, builder: Container, network: string, close: () => Promise<void> | undefined): BuildPlace {
  const { hosts, resolvConf } = containerPaths(core.config, core.state, builder);
  return {
    id: builder.id,
    network,
    cgroupNamespace: chooseCgroupNamespace(core, builder.spec),
    files: { '/etc/hosts': hosts, '/etc/resolv.conf': resolvConf },
    [Symbol.asyncDispose]: async () => {
      rmSync(containerFolder(core.config, builder.id), { recursive: true, force: true });
      try {
        await close();
      } catch (error) {
        core.logger.error('the network of a build could not be taken away', { error: errorMessage(error) });
      }
    },
  };
}

/** Networks are joined by containers; of this one there is no record, so a restart of the daemon takes away all that is its own. */
function builderContainer(networkMode: NetworkMode, extraHosts: readonly string[]): Container {
  const id = newId();
  return {
    id,
    name: `build-${shortId(id)}`,
    created: timestamp(),
    spec: builderSpec(id, networkMode, extraHosts),
    imageId: '',
    args: [],
    env: [],
    mounts: [],
    restartCount: 0,
    stoppedByHand: false,
    state: { status: 'created', pid: 0, exitCode: 0, oomKilled: false, error: '', startedAt: NEVER, finishedAt: NEVER },
  };
}

function builderSpec(id: string, networkMode: NetworkMode, extraHosts: readonly string[]): ContainerSpec {
  const request = { aliases: [], driverOptions: {}, gatewayPriority: 0 };
  const nothing = {
    env: [],
    mounts: [],
    links: [],
    portBindings: [],
    exposedPorts: [],
    capAdd: [],
    capDrop: [],
    groupAdd: [],
  };
  const off = { tty: false, openStdin: false, stdinOnce: false, attachStdin: false, attachStdout: false };
  const network = networkMode.kind === 'network' ? (networkMode.name === 'default' ? 'bridge' : networkMode.name) : '';
  return {
    ...nothing,
    ...off,
    attachStderr: false,
    image: '',
    hostname: shortId(id),
    domainname: '',
    user: '',
    workingDirectory: '',
    labels: {},
    privileged: false,
    readOnlyRoot: false,
    autoRemove: true,
    networkMode,
    endpoints: network === '' ? [] : [{ ...request, network }],
    publishAll: false,
    dns: [],
    dnsOptions: [],
    dnsSearch: [],
    extraHosts,
    securityOptions: [],
    volumes: [],
    volumesFrom: [],
    logConfig: { driver: '', options: {} },
    isolation: PLAIN_ISOLATION,
    resources: {},
    oomScoreAdj: 0,
    restartPolicy: { name: 'no', maximumRetries: 0 },
  };
}
