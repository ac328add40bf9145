import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type NamedSockets, SocketQueue } from '../kernel/socket-queue.ts';
import { errorMessage } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';

/** By which our process is known from another that got its number */
const MARK = 'FAIRWAY_SOCKET_HOLDER';
/** It says who it is before anything else can happen to it: who started it may be gone by then. */
const SCRIPT = `echo $$ >"$${MARK}" && exec sleep infinity`;

/**
 * A process that does nothing but live on when the daemon dies, and with it the sockets it was given. What containers ask
 * while no daemon is there waits in them for the next one.
 */
export class SocketHolder implements Disposable {
  readonly #pidFile: string;
  readonly #logger: Logger;
  #queue: SocketQueue | undefined;
  /** Undefined also for one that a former daemon started */
  #child: ChildProcess | undefined;
  #isEmpty = true;
  #hasFailed = false;

  constructor(execRoot: string, logger: Logger) {
    this.#pidFile = join(execRoot, 'socket-holder.pid');
    this.#logger = logger;
  }

  /** What a former daemon left, to be owned by the caller. */
  takeOut(): Map<string, number[]> {
    try {
      const pid = this.#pid();
      if (pid === undefined) return new Map();
      this.#queue = SocketQueue.of(pid);
      return this.#queue.takeOut();
    } catch (error) {
      this.#giveUp(error);
      return new Map();
    }
  }

  /** These are held from now on, and no others. They stay the caller's as well. */
  hold(sockets: NamedSockets): void {
    try {
      this.#isEmpty = sockets.size === 0;
      if (this.#hasFailed || (this.#queue === undefined && this.#isEmpty)) return;
      this.#queue ??= this.#start();
      this.#queue.replace(sockets);
    } catch (error) {
      this.#giveUp(error);
    }
  }

  #start(): SocketQueue {
    const queue = SocketQueue.create();
    const child = spawn('/bin/sh', ['-c', SCRIPT], {
      detached: true,
      stdio: [...queue.ends, 'ignore'],
      env: { PATH: '/usr/bin:/bin', [MARK]: this.#pidFile },
      cwd: '/',
    });
    child.on('error', (error) => this.#giveUp(error));
    child.on('exit', () => this.#lost(child));
    child.unref();
    this.#child = child;
    return queue;
  }

  /** Somebody ended it: the next change starts another one. */
  #lost(child: ChildProcess): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#queue?.[Symbol.dispose]();
    this.#queue = undefined;
  }

  /** With it the daemon is better, without it as good as any. */
  #giveUp(error: unknown): void {
    this.#logger.warn('what containers ask while no daemon is there will be lost', { error: errorMessage(error) });
    this.#hasFailed = true;
    this.#end();
  }

  #pid(): number | undefined {
    try {
      const pid = Number(readFileSync(this.#pidFile, 'utf8'));
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      return environment.includes(`${MARK}=${this.#pidFile}`) ? pid : undefined;
    } catch {
      return undefined; // none was started, or it is gone
    }
  }

  #end(): void {
    const pid = this.#child === undefined ? this.#pid() : undefined;
    const child = this.#child;
    this.#child = undefined;
    this.#queue?.[Symbol.dispose]();
    this.#queue = undefined;
    child?.kill('SIGKILL');
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    rmSync(this.#pidFile, { force: true });
  }

  /** The process lives on when it holds something. */
  [Symbol.dispose](): void {
    if (this.#isEmpty) this.#end();
    else this.#queue?.[Symbol.dispose]();
  }
}
