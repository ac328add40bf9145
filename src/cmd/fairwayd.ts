import { flushCompileCache } from 'node:module';
import { ApiServer } from '../api/server.ts';
import { Engine } from '../engine/engine.ts';
import { errorMessage } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { parseCommandLine } from './command-line.ts';
import { type DaemonConfig, loadConfig } from './config.ts';
import { createLogger } from './logger.ts';
import { claimPidfile } from './pidfile.ts';
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
    await run(loadConfig(line.given, line.configFile));
  } catch (error) {
    process.stderr.write(`fairwayd: ${errorMessage(error)}\n`);
    process.exit(1);
  }
}

/** Serves until a signal says otherwise. */
async function run(config: DaemonConfig): Promise<void> {
  const logger = createLogger(config.logLevel);
  using _pidfile = claimPidfile(config.pidfile);
  dieOfTheUnexpected(logger);
  const ending = endingSignal(logger);
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
  });
  const server = new ApiServer(engine, { logger, version: VERSION });
  try {
    await listen(server, config, logger);
    logger.info('daemon is ready', { version: VERSION, pid: process.pid });
    // Now, because a daemon that is killed writes no cache, and one without a cache needs 15 MB more.
    flushCompileCache();
    logger.info('daemon ends', { signal: await ending });
  } finally {
    await server.close();
    await engine.close();
  }
}

async function listen(server: ApiServer, config: DaemonConfig, logger: Logger): Promise<void> {
  for (const host of config.hosts) {
    if (host.kind === 'unix') {
      await server.listen({ socketPath: host.path, ...(config.group === undefined ? {} : { group: config.group }) });
      logger.info('API listens', { address: `unix://${host.path}` });
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
