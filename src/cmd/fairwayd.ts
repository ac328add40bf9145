import { flushCompileCache } from 'node:module';
import { ApiServer } from '../api/server.ts';
import { Engine } from '../engine/engine.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { parseCommandLine } from './command-line.ts';
import { type DaemonConfig, DEFAULT_SOCKET, loadConfig } from './config.ts';
import { installContext, removeContext } from './context.ts';
import { createLogger } from './logger.ts';
import { claimPidfile } from './pidfile.ts';
import { serviceManager } from './systemd.ts';
import { VERSION } from './version.ts';

await main();

async function main(): Promise<void> {
  const line = parseCommandLine(process.argv.slice(2), VERSION);
  if ('exitCode' in line) {
    (line.exitCode === 0 ? process.stdout : process.stderr).write(line.text);
    process.exitCode = line.exitCode;
    return;
  }
  try {
    const config = loadConfig(line.given, line.configFile);
    if (line.context === undefined) await run(config);
    else process.stdout.write(changeContext(line.context, config));
  } catch (error) {
    process.stderr.write(`fairwayd: ${errorMessage(error)}\n`);
    process.exit(1);
  }
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

/** Serves until a signal says otherwise. */
async function run(config: DaemonConfig): Promise<void> {
  const logger = createLogger(config.logLevel);
  using _pidfile = claimPidfile(config.pidfile);
  dieOfTheUnexpected(logger);
  const ending = endingSignal(logger);
  const manager = serviceManager(process.env, process.pid);
  await using metrics = config.metrics === undefined ? undefined : new (await import('./metrics.ts')).Metrics();
  const engine = await Engine.start({
    dataRoot: config.dataRoot,
    execRoot: config.execRoot,
    ...(config.containerd === undefined ? {} : { containerd: config.containerd }),
    logger,
    network: config.network,
    defaults: config.defaults,
    log: config.log,
    registry: config.registry,
    liveRestore: config.liveRestore,
    init: config.init,
    ...(config.initPath === undefined ? {} : { initPath: config.initPath }),
    leaveNoTrace: config.leaveNoTrace,
    version: VERSION,
    debug: config.logLevel === 'debug',
    ...(metrics === undefined ? {} : { trace: metrics.step }),
  });
  const observed = metrics === undefined ? {} : { served: metrics.served };
  const server = new ApiServer(engine, { logger, version: VERSION, ...observed });
  try {
    await listen(server, config, manager.sockets, logger);
    if (config.metrics !== undefined) await metrics?.serve(engine, config.metrics);
    manager.notify('READY=1');
    logger.info('daemon is ready', { version: VERSION, pid: process.pid });
    // Now, because a daemon that is killed writes no cache, and one without a cache needs 15 MB more.
    flushCompileCache();
    logger.info('daemon ends', { signal: await ending });
  } finally {
    manager.notify('STOPPING=1');
    await server.close();
    await engine.close();
  }
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

/** The first SIGTERM or SIGINT ends the daemon cleanly, a second one at once. */
function endingSignal(logger: Logger): Promise<string> {
  process.on('SIGHUP', () => logger.warn('SIGHUP: no setting can be changed while the daemon runs'));
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
