import { flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { ApiServer } from '../api/server.ts';
import type { EngineConfig } from '../engine/config.ts';
import { Engine } from '../engine/engine.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import { rootOf } from '../model/id-map.ts';
import type { Logger } from '../model/logger.ts';
import { canonical } from './canonical.ts';
import { parseCommandLine } from './command-line.ts';
import { type DaemonConfig, loadConfig } from './config.ts';
import { installContext, removeContext } from './context.ts';
import { collectWhenIdle } from './idle-memory.ts';
import { createLogger, type LevelledLogger } from './logger.ts';
import { claimNamespace } from './namespace-claim.ts';
import { claimPidfile } from './pidfile.ts';
import { serviceManager } from './systemd.ts';
import { DEFAULT_SOCKET } from './values.ts';
import { VERSION } from './version.ts';

/** Where daemon.json is, by the name of the program. */
const CONFIG_FILES = { fairwayd: '/etc/fairway/daemon.json', dockerd: '/etc/docker/daemon.json' } as const;

void main();

/**
 * The name it was called by decides where daemon.json is looked for, so that what was written for dockerd is found by a link of
 * that name. Sockets and data stay Fairway's own until somebody names Docker's.
 */
async function main(): Promise<void> {
  const program = calledAs(process.env);
  const line = parseCommandLine(process.argv.slice(2), VERSION, program);
  if ('exitCode' in line) {
    (line.exitCode === 0 ? process.stdout : process.stderr).write(line.text);
    process.exitCode = line.exitCode;
    return;
  }
  try {
    const load = () => loadConfig(line.given, line.configFile, CONFIG_FILES[program], process.env);
    const config = load();
    if (line.validate !== true && line.context === undefined) requireRoot(program);
    if (line.validate === true) validated(config);
    else if (line.context === undefined) await run(config, load);
    else process.stdout.write(changeContext(line.context, config));
  } catch (error) {
    process.stderr.write(`${program}: ${errorMessage(error)}\n`);
    process.exit(1);
  }
}

/** `bin/fairwayd` tells; it is not meant for our children. */
function calledAs(environment: NodeJS.ProcessEnv): keyof typeof CONFIG_FILES {
  const name = environment['FAIRWAYD_CALLED_AS'];
  delete environment['FAIRWAYD_CALLED_AS'];
  return name === 'dockerd' ? name : 'fairwayd';
}

/** Namespaces and containerd need it. @throws EngineError in dockerd's words */
function requireRoot(program: string): void {
  if (process.getuid?.() === 0) return;
  throw new EngineError('unsupported', `${program} needs to be started with root privileges`);
}

/** `--validate`, with dockerd's answer on its stream. */
function validated({ warnings }: DaemonConfig): void {
  for (const warning of warnings) process.stderr.write(`${warning}\n`);
  process.stderr.write('configuration OK\n');
}

/** @returns what to tell the user @throws EngineError invalidArgument when the docker CLI could not reach the daemon */
function changeContext(change: 'install' | 'remove', { hosts }: DaemonConfig): string {
  if (change === 'remove')
    return removeContext() ? 'docker context "fairway" removed\n' : 'there is no docker context "fairway"\n';
  const host = hosts.find(({ kind }) => kind === 'unix');
  const path = host?.kind === 'unix' ? host.path : DEFAULT_SOCKET;
  const made = installContext(`unix://${path}`);
  return `docker context "fairway" ${made ? 'installed' : 'is there'}: docker --context fairway …, or docker context use fairway\n`;
}

/** Serves until a signal says otherwise. @param load reads the configuration again */
async function run(config: DaemonConfig, load: () => DaemonConfig): Promise<void> {
  const logger = createLogger(config.logLevel, config.logFormat);
  for (const warning of config.warnings) logger.warn(warning);
  using _pidfile = claimPidfile(config.pidfile);
  await using _namespace = await claimNamespace(logger);
  dieOfTheUnexpected(logger);
  const ending = endingSignal();
  Object.assign(process.env, config.proxies);
  const manager = serviceManager(process.env, process.pid);
  await using metrics = config.metrics === undefined ? undefined : new (await import('./metrics.ts')).Metrics();
  const roots = { dataRoot: canonical(config.dataRoot), execRoot: canonical(config.execRoot) };
  const remapped = await remap({ ...config, ...roots }, logger);
  const engine = await Engine.start({
    ...roots,
    ...remapped,
    ...(config.containerd === undefined ? {} : { containerd: config.containerd }),
    ...(config.containerdNamespace === undefined ? {} : { containerdNamespace: config.containerdNamespace }),
    logger,
    network: config.network,
    defaults: config.defaults,
    log: config.log,
    reloadable: config.reloadable,
    init: config.init,
    ...(config.initPath === undefined ? {} : { initPath: config.initPath }),
    leaveNoTrace: config.leaveNoTrace,
    version: VERSION,
    ...(metrics === undefined ? {} : { trace: metrics.step }),
  });
  process.on('SIGHUP', () => reload(engine, logger, load));
  const observed = metrics === undefined ? {} : { served: metrics.served };
  const server = new ApiServer(engine, { logger, version: VERSION, ...observed });
  try {
    await listen(server, config, manager.sockets, logger);
    if (config.metrics !== undefined) await metrics?.serve(engine, config.metrics);
    manager.notify('READY=1');
    logger.info('daemon is ready', { version: VERSION, pid: process.pid });
    // Now, because a daemon that is killed writes no cache, and one without a cache needs 15 MB more.
    flushCompileCache();
    collectWhenIdle();
    logger.info('daemon ends', { signal: await ending });
  } finally {
    manager.notify('STOPPING=1');
    await server.close();
    await engine.close();
  }
}

/** Containers with other users have other files: what is theirs lies in folders of its own, as with dockerd. */
async function remap(config: DaemonConfig, logger: Logger): Promise<Partial<EngineConfig>> {
  const { usernsRemap, dataRoot, execRoot } = config;
  if (usernsRemap === undefined) return {};
  const { resolveRemap } = await import('../runtime/userns/remap.ts');
  const remapped = await resolveRemap(usernsRemap);
  if (remapped === undefined) {
    logger.warn('User namespaces: root cannot be remapped with itself; user namespaces are OFF');
    return {};
  }
  const { uid, gid } = rootOf(remapped.maps);
  logger.info('users of containers are remapped', { owner: remapped.owner, uid, gid });
  const folder = `${uid}.${gid}`;
  return { dataRoot: join(dataRoot, folder), execRoot: join(execRoot, folder), remap: remapped.maps };
}

/** @param sockets that were handed over */
async function listen(
  server: ApiServer,
  config: DaemonConfig,
  sockets: readonly number[],
  logger: Logger,
): Promise<void> {
  const group = config.group === undefined ? {} : { group: config.group };
  for (const host of config.hosts) {
    if (host.kind === 'unix') {
      await server.listen({ socketPath: host.path, ...group });
      logger.info('API listens', { address: `unix://${host.path}` });
    } else if (host.kind === 'handed-over') {
      if (sockets.length === 0) {
        throw new EngineError(
          'invalidArgument',
          'no sockets found via socket activation: make sure the service was started by systemd',
        );
      }
      for (const descriptor of sockets) await server.listen({ descriptor });
      logger.info('API listens', { address: 'fd://', sockets: sockets.length });
    } else {
      const tls = config.tls === undefined ? {} : { tls: config.tls };
      await server.listen({ host: host.host, port: host.port, ...tls, dangerouslyWithoutTls: config.dangerousTcp });
      logger.info('API listens', { address: `tcp://${host.host}:${host.port}`, tls: config.tls !== undefined });
    }
  }
}

/** SIGHUP: what can be changed changes; a configuration that is wrong changes nothing. */
function reload(engine: Engine, logger: LevelledLogger, load: () => DaemonConfig): void {
  try {
    const { reloadable, logLevel } = load();
    logger.setLevel(logLevel);
    engine.system.reload(reloadable);
    logger.info('configuration reloaded', { ...reloadable });
  } catch (error) {
    logger.error('the configuration stays as it was', { error: errorMessage(error) });
  }
}

/** The first SIGTERM or SIGINT ends the daemon cleanly, a second one at once. */
function endingSignal(): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(1);
        asked = true;
        resolve(signal);
      });
    }
  });
}

/** State lives in the store and the kernel, so dying is safe, and going on after a surprise is not. */
function dieOfTheUnexpected(logger: Logger): void {
  process.on('uncaughtException', (error) => {
    logger.error('unexpected error, the daemon ends', { error: error.stack ?? error.message });
    process.exit(1);
  });
}
