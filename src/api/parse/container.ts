import { parseMacAddress } from '../../model/address.ts';
import type { ContainerSpec } from '../../model/container.ts';
import type { Mount } from '../../model/mount.ts';
import { invalid } from '../status.ts';
import { type ApiVersion, atLeast } from '../version.ts';
import { parseEndpoints } from './endpoint.ts';
import { Fields } from './fields.ts';
import { parseHealthCheck } from './health.ts';
import { type HostConfig, type HostOptions, parseHostConfig } from './hostconfig.ts';
import { refuseConflicts } from './mode.ts';
import { cleanPath, parseVolumePaths } from './mounts.ts';
import { parseExposedPorts } from './ports.ts';

const EMPTY_CONFIG = 'config cannot be empty in order to create a container';
/** A hostname as the kernel takes it: HOST_NAME_MAX in limits.h. */
const LONGEST_HOSTNAME = 64;

/**
 * The body of POST /containers/create.
 * @throws EngineError invalidArgument with Docker's words; for an option Fairway does not know, naming it
 */
export function parseContainerSpec(body: unknown, version: ApiVersion): ContainerSpec {
  if (body === undefined || body === null) throw invalid(EMPTY_CONFIG);
  requireConfig(body);
  const fields = new Fields(body, '');
  const disabled = fields.flag('NetworkDisabled');
  const host = withoutNetwork(parseHostConfig(fields.child('HostConfig')), disabled);
  const networking = fields.child('NetworkingConfig');
  const configs = disabled ? [] : networking.entries('EndpointsConfig');
  if (disabled) networking.ignore('EndpointsConfig');
  networking.close();
  const mac = fields.text('MacAddress');
  const own = { ...parseOwn(fields), ...(disabled ? { networkDisabled: true as const } : {}) };
  closeConfig(fields);
  if (own.image === '') {
    const commanded = (own.command ?? []).length + (own.entrypoint ?? []).length > 0;
    throw invalid(commanded ? 'no image specified' : 'no command specified');
  }
  refuseConflicts(host.options.networkMode, conflicts(own, host));
  if (host.options.isolation.hostUts && own.hostname !== '') {
    throw invalid('conflicting options: hostname and the UTS mode');
  }
  const endpoints = parseEndpoints({
    mode: host.options.networkMode,
    configs,
    links: host.links,
    version,
    ...(mac === '' ? {} : { mac: parseMacAddress(mac) }),
  });
  const mode = host.options.networkMode;
  const links = mode.kind === 'network' && mode.name === 'bridge' ? host.links : [];
  const { isolation } = host.options;
  // Before API 1.40 the default was to share it.
  const ipc = atLeast(version, '1.40') ? {} : ({ ipc: { kind: 'shareable' } } as const);
  const mounts = atLeast(version, '1.44') ? host.options.mounts : host.options.mounts.map(onlyItselfReadOnly);
  return { ...own, ...host.options, isolation: { ...ipc, ...isolation }, mounts, endpoints, links };
}

/** What is of no container but of its host makes none. @throws EngineError invalidArgument in Docker's words */
function requireConfig(body: unknown): void {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return;
  if (Object.keys(body).every((name) => /^(HostConfig|NetworkingConfig)$/i.test(name))) throw invalid(EMPTY_CONFIG);
}

/** @param disabled NetworkDisabled: the container has none, whatever else is said */
function withoutNetwork({ options, links }: HostConfig, disabled: boolean): HostConfig {
  return disabled ? { options: { ...options, networkMode: { kind: 'none' } }, links: [] } : { options, links };
}

/** Before API 1.44 read-only meant the bind alone, and not what is mounted below its source. */
function onlyItselfReadOnly(mount: Mount): Mount {
  return mount.type === 'bind' && mount.readOnly ? { readOnlyBelow: false, ...mount } : mount;
}

/** Two decoders make one specification: this one reads what is not of the host. */
type Own = Omit<ContainerSpec, keyof HostOptions | 'endpoints' | 'links'>;

/** The part Docker calls Config: what travels with the container wherever it runs. */
function parseOwn(fields: Fields): Own {
  const stopSignal = fields.text('StopSignal');
  const stopTimeout = fields.integer('StopTimeout');
  return {
    ...parseIdentity(fields),
    ...parseCommand(fields),
    ...parseHealthCheck(fields),
    tty: fields.flag('Tty'),
    openStdin: fields.flag('OpenStdin'),
    stdinOnce: fields.flag('StdinOnce'),
    attachStdin: fields.flag('AttachStdin'),
    attachStdout: fields.flag('AttachStdout'),
    attachStderr: fields.flag('AttachStderr'),
    exposedPorts: parseExposedPorts(fields.entries('ExposedPorts')),
    volumes: parseVolumePaths(fields.entries('Volumes')),
    ...(stopSignal === '' ? {} : { stopSignal }),
    ...(stopTimeout === undefined ? {} : { stopTimeout }),
  };
}

/**
 * Whoever names an entrypoint drops the image's command with it; `--entrypoint ""`, which arrives as [""], drops both. An
 * empty list alone resets the entrypoint and keeps the image's command (moby: image/merge).
 */
function parseCommand(fields: Fields): Pick<ContainerSpec, 'entrypoint' | 'command'> {
  const entrypoint = fields.command('Entrypoint');
  const command = fields.command('Cmd') ?? [];
  const given = command.length > 0 ? { command } : {};
  if (entrypoint === undefined) return given;
  if (entrypoint.length === 0) return { entrypoint, ...given };
  const reset = entrypoint.length === 1 && entrypoint[0] === '';
  return { entrypoint: reset ? [] : entrypoint, command };
}

/** What the container is called inside and what it starts from. @throws EngineError invalidArgument */
function parseIdentity(fields: Fields) {
  const image = fields.text('Image');
  const hostname = fields.text('Hostname');
  const env = fields.texts('Env');
  const workingDirectory = fields.text('WorkingDir');
  if (hostname.length > LONGEST_HOSTNAME) throw invalid(`invalid hostname: ${hostname}`);
  for (const entry of env) if (/^(=|$)/.test(entry)) throw invalid(`invalid environment variable: ${entry}`);
  if (workingDirectory !== '' && !workingDirectory.startsWith('/')) {
    throw invalid(`the working directory '${workingDirectory}' is invalid, it needs to be an absolute path`);
  }
  return {
    image,
    hostname,
    domainname: fields.text('Domainname'),
    user: fields.text('User'),
    env,
    workingDirectory: workingDirectory === '' ? '' : cleanPath(workingDirectory),
    labels: fields.map('Labels'),
  };
}

/** Of HostConfig since API 1.18, but still said beside it by examples and clients. */
const MOVED = ['Dns', 'Runtime', 'VolumesFrom'];

/** What Docker passes over without a word. @returns a warning for each */
export function warnOfMoved(body: unknown): string[] {
  const fields = new Fields(body, '');
  const said = MOVED.filter((name) => fields.has(name));
  return said.map((name) => `${name} has no effect outside of HostConfig`);
}

/** What is left concerns image builds or other systems. */
function closeConfig(fields: Fields): void {
  fields.ignore(...MOVED);
  // The name counts in the query; dockerode repeats it here.
  fields.ignore('OnBuild', 'ArgsEscaped', 'name');
  fields.close();
}

/** Only what the user gave counts: ports an image exposes are no conflict. */
function conflicts(own: Own, { options, links }: HostConfig) {
  return {
    hostname: own.hostname !== '',
    links: links.length > 0,
    dns: options.dns.length > 0,
    extraHosts: options.extraHosts.length > 0,
    published: options.portBindings.length > 0 || options.publishAll,
    exposed: own.exposedPorts.length > 0,
  };
}
