import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EngineError, errorMessage, hasCode } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import { namesIn } from '../names-in.ts';
import { Containerd } from './client.ts';
import { type ContainerdPaths, renderConfig } from './config.ts';
import { pathWithDecompressor } from './decompressor.ts';
import { LogFollower } from './logfile.ts';

export interface ContainerdOptions extends ContainerdPaths {
  readonly logger: Logger;
  /** containerd's, that holds everything of ours */
  readonly namespace: string;
  /** Default: "containerd", looked for on the PATH and where Debian puts it */
  readonly binary?: string | undefined;
}

/** Where Debian and Docker's own packages put containerd, its shim and runc, whatever PATH we were given. */
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Milliseconds for one that was just started: it is for what hangs, and a machine may be slow. One that ends is not waited for. */
const START_TIMEOUT = 120_000;
/** For one that should be there already */
const ADOPT_TIMEOUT = 15_000;
const STOP_TIMEOUT = 10_000;
const POLL = 5;
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 10_000;
/** One that lived this long was well: the next restart comes at once again. */
const HEALTHY_AFTER = 30_000;
/** sun_path holds 108 bytes with its NUL, and the shims' socket ends in ".ttrpc" */
const MAX_SOCKET_PATH = 107 - '.ttrpc'.length;

/**
 * A containerd of our own. It outlives us: when we crash it goes on, and the next start takes it up again; when it dies,
 * it is started again. The shims, and with them the containers, outlive both.
 */
export class ContainerdProcess {
  readonly socket: string;
  readonly #options: ContainerdOptions;
  readonly #log: LogFollower;
  readonly #stopping = new AbortController();
  readonly #restarted: (() => void)[] = [];
  #pid = 0;
  /** By which it answered, for what comes next to ask */
  #answering: Containerd | undefined;
  #supervision: Promise<void> = Promise.resolve();

  private constructor(options: ContainerdOptions) {
    this.socket = options.socket;
    this.#options = options;
    this.#log = new LogFollower(join(options.state, 'containerd.log'), options.logger);
  }

  /** Ready when it resolves. @throws EngineError unavailable when containerd is missing or does not come up */
  static async start(options: ContainerdOptions): Promise<ContainerdProcess> {
    if (Buffer.byteLength(options.socket) > MAX_SOCKET_PATH) {
      throw new EngineError(
        'invalidArgument',
        `Cannot listen on "${options.socket}": the path is too long for a socket`,
      );
    }
    await mkdir(options.root, { recursive: true, mode: 0o711 });
    await mkdir(options.state, { recursive: true, mode: 0o711 });
    const process = new ContainerdProcess(options);
    try {
      if (!(await process.#adopt())) await process.#launch();
    } catch (error) {
      process.#log[Symbol.dispose]();
      throw error;
    }
    process.#supervision = process.#supervise();
    return process;
  }

  get pid(): number {
    return this.#pid;
  }

  /** Called each time containerd has died and is ready again: calls under way failed, and must be made anew. */
  onRestart(listener: () => void): void {
    this.#restarted.push(listener);
  }

  /** Ends containerd; containers and their shims stay. */
  async stop(): Promise<void> {
    await this.#leave();
    if (await this.#isOurs(this.#pid)) await end(this.#pid);
    await rm(this.#pidFile, { force: true });
  }

  /** Lets containerd run on by itself, for the next daemon to take up. */
  async release(): Promise<void> {
    await this.#leave();
  }

  async #leave(): Promise<void> {
    this.#stopping.abort();
    await this.#supervision;
    this.#answering?.close();
    this.#log[Symbol.dispose]();
  }

  get #pidFile(): string {
    return join(this.#options.state, 'containerd.pid');
  }

  get #configFile(): string {
    return join(this.#options.state, 'containerd.toml');
  }

  /** Takes up what an earlier daemon left running. One that runs but does not answer is ended. */
  async #adopt(): Promise<boolean> {
    const pid = Number(await readFile(this.#pidFile, 'utf8').catch(() => ''));
    if (!(pid > 1 && (await this.#isOurs(pid)))) return false;
    this.#pid = pid;
    try {
      await this.#ready(() => !isAlive(pid), ADOPT_TIMEOUT);
      this.#options.logger.debug('containerd adopted', { pid });
      return true;
    } catch {
      await end(pid);
      return false;
    }
  }

  /** The number may have gone to another process since: ours was started with our configuration. */
  async #isOurs(pid: number): Promise<boolean> {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return commandLine.split('\0').includes(this.#configFile);
  }

  async #launch(): Promise<void> {
    await writeFile(this.#configFile, renderConfig(this.#options), { mode: 0o600 });
    await removeStrayWork(this.#options);
    const path = `${process.env['PATH'] ?? ''}:${SYSTEM_PATH}`;
    const PATH = await pathWithDecompressor(join(this.#options.state, 'bin'), path);
    const child = spawn(this.#options.binary ?? 'containerd', ['--config', this.#configFile], {
      // A session of its own: the terminal's ^C is for us alone.
      detached: true,
      stdio: ['ignore', this.#log.fd, this.#log.fd],
      env: { ...process.env, PATH },
      cwd: '/',
    });
    await spawned(child);
    this.#pid = child.pid ?? 0;
    child.unref();
    await writeFile(this.#pidFile, `${this.#pid}\n`);
    try {
      await this.#ready(() => child.exitCode !== null || child.signalCode !== null, START_TIMEOUT);
    } catch (error) {
      await end(this.#pid);
      throw error;
    }
  }

  /** Until it answers. @param dead whether waiting has become pointless */
  async #ready(dead: () => boolean, patience: number): Promise<void> {
    const deadline = Date.now() + patience;
    for (;;) {
      try {
        this.#answering?.close();
        this.#answering = await Containerd.connect(this.socket, { signal: AbortSignal.timeout(patience) });
        return;
      } catch (error) {
        if (dead()) {
          const log = join(this.#options.state, 'containerd.log');
          throw new EngineError('unavailable', `containerd ended while starting: see ${log}`, { cause: error });
        }
        if (Date.now() > deadline) throw error;
      }
      await delay(POLL);
    }
  }

  /** Waits for its death and starts it again, until we stop. Never rejects. */
  async #supervise(): Promise<void> {
    const { logger } = this.#options;
    const { signal } = this.#stopping;
    for (let pause = FIRST_PAUSE; !signal.aborted; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      const since = Date.now();
      await this.#death();
      if (signal.aborted) return;
      if (Date.now() - since > HEALTHY_AFTER) pause = FIRST_PAUSE;
      logger.warn('containerd ended unexpectedly; it is started again', { pid: this.#pid, pauseMilliseconds: pause });
      await delay(pause, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.#launch().then(
        () => {
          for (const listener of this.#restarted) listener();
        },
        (error: unknown) => logger.error('containerd cannot be started', { error: errorMessage(error) }),
      );
    }
  }

  /**
   * Resolves when containerd is gone, or we stop. A stream of events that never come ends with the process, whoever
   * started it; so nothing has to be polled while all is well.
   */
  async #death(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted && isAlive(this.#pid)) {
      const containerd = this.#answering ?? new Containerd(this.socket);
      this.#answering = undefined;
      try {
        const filters = ['topic=="/fairway/never"'];
        for await (const _ of containerd.events.subscribe({ filters }, { signal }));
      } catch {
        // The stream's end says nothing more than that it ended; the loop looks at the process.
      } finally {
        containerd.close();
      }
      if (!signal.aborted) await delay(POLL);
    }
  }
}

/** @throws EngineError unavailable when there is no such program */
async function spawned(child: ChildProcess): Promise<void> {
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw new EngineError('unavailable', `Cannot start containerd: ${errorMessage(error)}`, { cause: error });
  }
}

/** False also for a process that ended and was not yet waited for: its parent may never do so (proc_pid_stat(5)). */
function isAlive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/**
 * After a loss of power containerd keeps an empty folder for each task there was: it clears up only in namespaces in which it
 * still finds a task (containerd: runtime/v2/shim_load.go, loadExistingTasks).
 */
async function removeStrayWork({ root, state, namespace }: ContainerdOptions): Promise<void> {
  const folder = (below: string) => join(below, 'io.containerd.runtime.v2.task', namespace);
  const tasks = new Set(namesIn(folder(state)));
  const stray = namesIn(folder(root)).filter((id) => !tasks.has(id));
  await Promise.all(stray.map((id) => rm(join(folder(root), id), { recursive: true })));
}

/** SIGTERM, and SIGKILL when that is not enough. Resolves when the process is gone. */
async function end(pid: number): Promise<void> {
  const deadline = Date.now() + STOP_TIMEOUT;
  for (let signal: NodeJS.Signals | 0 = 'SIGTERM'; ; signal = Date.now() > deadline ? 'SIGKILL' : 0) {
    if (!isAlive(pid)) return;
    signalled(pid, signal);
    await delay(POLL);
  }
}

/** One that an earlier daemon started is collected by init, which may be quicker than we are. */
function signalled(pid: number, signal: NodeJS.Signals | 0): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error;
  }
}
