import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { busyboxTar } from './fixtures.ts';
import { type ExecOptions, eventually, type Finished, TestHost } from './host.ts';

const ROOT = join(import.meta.dirname, '..');
export const SOCKET = '/run/fairway/fairway.sock';

export type Json = Record<string, unknown>;

interface Answer {
  readonly status: number;
  readonly body: Json;
}

/** fairwayd on a test host, driven by the real docker CLI. Its data is on the host's tmpfs. */
export class TestDaemon implements AsyncDisposable {
  readonly host: TestHost;
  readonly #flags: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;
  #log = '';

  private constructor(host: TestHost, flags: readonly string[], env: Readonly<Record<string, string>>) {
    this.host = host;
    this.#flags = flags;
    this.#env = env;
  }

  /**
   * A new host with a running daemon, holding the image busybox:latest.
   * @param prepare what the host needs before that @param env of the daemon, besides the test's own
   */
  static async create(
    flags: readonly string[] = [],
    prepare: (host: TestHost) => Promise<unknown> = async () => undefined,
    env: Readonly<Record<string, string>> = {},
  ): Promise<TestDaemon> {
    const daemon = await TestDaemon.boot(prepare, flags, env);
    try {
      await daemon.#bringBusybox();
      return daemon;
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The same without an image, but with what `prepare` puts on its disk. */
  static async boot(
    prepare: (host: TestHost) => Promise<unknown>,
    flags: readonly string[] = [],
    env: Readonly<Record<string, string>> = {},
  ): Promise<TestDaemon> {
    const daemon = new TestDaemon(await TestHost.create(), flags, env);
    try {
      await prepare(daemon.host);
      await daemon.start();
      return daemon;
    } catch (error) {
      await daemon[Symbol.asyncDispose]();
      throw new Error(`the daemon under test did not come up:\n${daemon.#log}`, { cause: error });
    }
  }

  /** As `docker import --change 'CMD ["sh"]' - busybox:latest` does. */
  async #bringBusybox(): Promise<void> {
    const query = new URLSearchParams({ fromSrc: '-', repo: 'busybox', tag: 'latest', changes: 'CMD ["sh"]' });
    const { status, body } = await this.api('POST', `/images/create?${query}`, await readFile(await busyboxTar()));
    if (status !== 200 || /"error"/.test(body)) throw new Error(`busybox was not imported: ${status} ${body}`);
  }

  /** Starts the daemon and waits until it answers. @param checkout another one's daemon, as a path of the test host */
  async start(extra: readonly string[] = [], checkout = ROOT): Promise<void> {
    const flags = [
      '--data-root',
      '/run/data',
      '--exec-root',
      '/run/fairway',
      '--config-file',
      '/dev/null',
      ...this.#flags,
      ...extra,
    ];
    const child = this.host.spawn([join(checkout, 'bin/fairwayd'), ...flags], this.#env);
    const note = (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString()).slice(-1_000_000);
    };
    child.stdout?.on('data', note);
    child.stderr?.on('data', (chunk: Buffer) => {
      note(chunk);
      // V8's last words are told at once: tools/vm/run-tests.ts listens for them.
      if (chunk.includes('# Check failed')) process.stderr.write(chunk);
    });
    this.#process = child;
    await eventually(
      'the daemon answers',
      async () => {
        const end = child.exitCode ?? child.signalCode;
        if (end !== null) throw new Error(`fairwayd ended with ${end}:\n${this.#log}`);
        // Cheaper to ask, and most of the time there is none yet.
        if (!existsSync(this.host.path(SOCKET))) return false;
        const answer = await this.api('GET', '/_ping').catch(() => undefined);
        return answer?.body === 'OK';
      },
      120_000,
    ).catch((cause: unknown) => {
      throw new Error(`the daemon did not come up:\n${this.#log.slice(-4000)}`, { cause });
    });
  }

  get log(): string {
    return this.#log;
  }

  /** PID of the daemon, as the test host counts. */
  async pid(): Promise<number> {
    return Number(await this.host.out(['cat', '/run/fairway/fairwayd.pid']));
  }

  /** Ends the daemon; containers go on. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = this.ended();
    await this.host.out(['kill', `-${signal}`, String(await this.pid())]);
    await ended;
  }

  /** Resolves when the kernel has taken away the host's links that the daemon threw away: that goes on behind its answers. */
  async swept(): Promise<void> {
    await eventually('nothing is thrown away', async () => !(await this.host.shell('ip -o link')).includes('fwtrash'));
  }

  /** Resolves when the daemon's process is gone. */
  async ended(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    await new Promise((resolve) => child.once('exit', resolve));
  }

  /** `docker …` on the test host; never throws for its exit code. */
  docker(args: readonly string[], options: ExecOptions = {}): Promise<Finished> {
    return this.host.exec(['docker', ...args], { ...options, env: { ...this.env(), ...options.env } });
  }

  /** `docker …` that must succeed. @returns stdout without its last newline */
  async ok(...args: string[]): Promise<string> {
    const finished = await this.docker(args);
    if (finished.code === 0) return finished.stdout.replace(/\n$/, '');
    throw new Error(
      `docker ${args.join(' ')} ended with ${finished.code}: ${finished.stderr}${finished.stdout}\n${this.#log.slice(-4000)}`,
    );
  }

  /**
   * What `docker inspect -f` prints of a container, without a process for it. @param template of texts and fields alone, as
   * "{{.State.Status}} {{.State.ExitCode}}"
   */
  async inspect(container: string, template: string): Promise<string> {
    const { status, body } = await this.json('GET', `/v1.41/containers/${container}/json`);
    if (status !== 200) throw new Error(`no answer about ${container}: ${status} ${body['message']}`);
    return template.replaceAll(/\{\{(.*?)\}\}/g, (_, path: string) => field(body, path));
  }

  /** The host's clock, as `docker events --since` takes it: seconds since 1970, with nanoseconds */
  async now(): Promise<string> {
    return await this.host.out(['date', '+%s.%N']);
  }

  /** What `docker events` tells of the time from `since` to now, a line each. @param filters as "type=image" */
  async told(since: string, filters: readonly string[] = [], format = '{{.Action}}'): Promise<string[]> {
    const flags = filters.flatMap((filter) => ['--filter', filter]);
    const text = await this.ok('events', '--since', since, '--until', await this.now(), ...flags, '--format', format);
    return text.split('\n');
  }

  /** Starts a program of the test machine in a container's network: images need not bring it. */
  async inside(container: string, command: readonly string[]): Promise<ChildProcess> {
    const pid = await this.inspect(container, '{{.State.Pid}}');
    return this.host.spawn(['nsenter', '-t', pid, '-n', ...command]);
  }

  /**
   * The environment that leads the docker CLI to this daemon and away from the user's settings. The tests start it some thousand
   * times, and most of what it costs is its Go runtime's start: without collector and threads a fifth less.
   */
  env(): Record<string, string> {
    const runtime = { GOGC: 'off', GOMAXPROCS: '1' };
    return {
      DOCKER_HOST: `unix://${SOCKET}`,
      DOCKER_CONFIG: '/run/docker-config',
      DOCKER_CLI_HINTS: 'false',
      // The CLI asks for BuildKit, when it has buildx and is not told otherwise.
      DOCKER_BUILDKIT: '0',
      ...runtime,
    };
  }

  /** One request to the API. @param body bytes, a text, or what is sent as JSON @returns status and body */
  api(method: string, path: string, body?: unknown): Promise<{ status: number; body: string }> {
    const headers = body === undefined || Buffer.isBuffer(body) ? {} : { 'Content-Type': 'application/json' };
    return new Promise((resolve, reject) => {
      // Straight from here: a socket's path leads into any mount namespace, and starting curl there costs a hundred times as much.
      const socketPath = this.host.path(SOCKET);
      const asked = request({ socketPath, method, path, headers, agent: false, timeout: 120_000 }, async (answer) => {
        resolve({ status: answer.statusCode ?? 0, body: await text(answer).catch(reject as () => never) });
      });
      asked.on('timeout', () => asked.destroy(new Error(`no answer to ${method} ${path}`)));
      asked.on('error', reject);
      asked.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    });
  }

  /** The same, read: {} where there is no body. */
  async json(method: string, path: string, body?: unknown): Promise<Answer> {
    const { status, body: read } = await this.api(method, path, body);
    return { status, body: (read === '' ? {} : JSON.parse(read)) as Json };
  }

  /** What is refused, in short: status and words. */
  async refusal(method: string, path: string, body?: unknown): Promise<[number, unknown]> {
    const answer = await this.json(method, path, body);
    return [answer.status, answer.body['message']];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host[Symbol.asyncDispose]();
  }
}

/** @param path as ".State.Pid" @throws Error where there is no such field, or more than one value */
function field(object: Json, path: string): string {
  const [nothing, ...names] = path.split('.');
  const value = names.reduce<unknown>((inner, name) => (inner as Json | undefined)?.[name], object);
  if (nothing !== '' || !['string', 'number', 'boolean'].includes(typeof value))
    throw new Error(`no value is at ${path}`);
  return String(value);
}
