import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ApiClient } from '../../src/api/client.ts';
import { EngineError } from '../../src/model/errors.ts';
import { SOCKET, TestDaemon } from '../daemon.ts';
import { type Disk, keepDisk, useDisk } from './disk.ts';
import { BYSTANDER } from './namer.ts';
import { differences, type Picture, takePicture } from './picture.ts';

/** One request of a client. */
export interface Operation {
  readonly name: string;
  readonly method: 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
}

/** What a client heard: that it is done, or nothing. */
export type Heard = 'done' | 'nothing';

const FOLDER = '/run/crash';
/** Milliseconds without a passage after which an operation is over in the background, too. */
const QUIET = 250;
/** Milliseconds in which the daemon comes to rest, also on a machine where a picture takes seconds. */
const PATIENCE = 60_000;

/** A host with a daemon that can be killed at any point, and a container that no operation is about. */
export class CrashMachine implements AsyncDisposable {
  readonly daemon: TestDaemon;
  readonly #client: ApiClient;
  #generation = 0;

  private constructor(daemon: TestDaemon) {
    this.daemon = daemon;
    this.#client = new ApiClient({ socketPath: daemon.host.path(SOCKET) });
  }

  static async create(): Promise<CrashMachine> {
    const preload = join(import.meta.dirname, 'preload.ts');
    // From its sources: their lines name the points.
    const env = { FAIRWAY_CRASH: FOLDER, FAIRWAY_SOURCES: '1', NODE_OPTIONS: `--import=${preload}` };
    const daemon = await TestDaemon.create([], async (host) => mkdirSync(host.path(FOLDER)), env);
    const machine = new CrashMachine(daemon);
    try {
      await daemon.ok('network', 'create', '--ipv6', 'app');
      const served = ['-p', '8080:80', '-v', '/data', 'busybox', 'httpd', '-f', '-h', '/var/www'];
      await daemon.ok('run', '-d', '--name', BYSTANDER, '--network', 'app', ...served);
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Another machine that finds this on its disk when it is switched on: nothing runs, nothing is in the kernel.
   * @param log how many bytes are left of the store's log
   */
  static async boot(disk: Disk, log: number): Promise<CrashMachine> {
    return new CrashMachine(await TestDaemon.boot((host) => useDisk(disk, host, log)));
  }

  /** What a power cut would leave right now; before what of the store's log that was not flushed is lost. */
  disk(name: string): Promise<Disk> {
    return keepDisk(this.daemon.host, name, this.#file('flushed'));
  }

  /** To the end, also in the background. @returns the points it passes, in their order */
  async record(operation: Operation): Promise<string[]> {
    this.#arm('');
    await this.ask(operation);
    await this.#quiet();
    const points = this.#points();
    this.#disarm();
    return points;
  }

  /** With the daemon killed at this point, or running on if it does not come to it. @returns what the client heard */
  async crash(operation: Operation, point: string): Promise<{ readonly heard: Heard; readonly killed: boolean }> {
    this.#arm(point);
    const heard = await this.ask(operation).then(
      (): Heard => 'done',
      (error: unknown): Heard => {
        if (error instanceof EngineError && error.kind === 'unavailable') return 'nothing';
        throw error;
      },
    );
    if (!this.#points().includes(point)) await this.#quiet();
    const killed = this.#points().includes(point);
    this.#disarm();
    if (killed) {
      await this.daemon.ended();
      await this.daemon.start();
    }
    return { heard, killed };
  }

  async ask({ method, path, body }: Operation): Promise<void> {
    await this.#client.ask(method, path, body);
  }

  picture(): Promise<Picture> {
    return takePicture(this.daemon.host, this.#client);
  }

  /** The picture that comes to be one of these, or the last one seen. @returns its index, or what differs from the nearest */
  async becomes(wanted: readonly Picture[], patience = PATIENCE): Promise<number | string[]> {
    for (const deadline = Date.now() + patience; ; await sleep(50)) {
      const seen = await this.picture().catch(() => ({}));
      const found = wanted.map((one) => differences(one, seen)).sort((a, b) => a.length - b.length);
      const index = wanted.findIndex((one) => differences(one, seen).length === 0);
      if (index >= 0) return index;
      if (Date.now() > deadline) return found[0] ?? [];
    }
  }

  /** When two pictures in a row are equal: what goes on in the background has ended. */
  async settled(): Promise<Picture> {
    let before = await this.picture();
    for (const deadline = Date.now() + PATIENCE; ; ) {
      await sleep(QUIET);
      const now = await this.picture();
      const changes = differences(before, now);
      if (changes.length === 0) return now;
      if (Date.now() > deadline) throw new Error(`it does not come to rest:\n${changes.join('\n')}`);
      before = now;
    }
  }

  #arm(point: string): void {
    writeFileSync(this.#file('points'), '');
    writeFileSync(this.#file('arming'), `${++this.#generation}\n${point}\n`);
    renameSync(this.#file('arming'), this.#file('armed'));
  }

  #disarm(): void {
    rmSync(this.#file('armed'), { force: true });
  }

  #points(): string[] {
    const file = this.#file('points');
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  }

  async #quiet(): Promise<void> {
    for (let count = -1; count !== this.#points().length; await sleep(QUIET)) count = this.#points().length;
  }

  #file(name: string): string {
    return this.daemon.host.path(`${FOLDER}/${name}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.daemon[Symbol.asyncDispose]();
  }
}
