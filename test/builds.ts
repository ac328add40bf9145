import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TestDaemon } from './daemon.ts';
import { eventually, type Finished } from './host.ts';

/** What the CLI says of the classic builder, whatever the daemon. */
const DEPRECATION = /^DEPRECATED: The legacy builder[\s\S]*?\n\n/;
const SENDING = /^Sending build context to Docker daemon.*[\r\n]+/;

/** Milliseconds: a build of four commands took more than 60 s on a machine with forty processes for two cores. */
const LONGEST = 200_000;

/** `docker build` on a test daemon. */
export class Builds {
  readonly #daemon: TestDaemon;
  /** The folder of builds in the daemon's data */
  readonly #folder: string;
  #contexts = 0;

  constructor(daemon: TestDaemon, dataRoot = '/run/data') {
    this.#daemon = daemon;
    this.#folder = join(dataRoot, 'builds');
  }

  /** Makes a build context on the host. @returns its folder there */
  context(files: Readonly<Record<string, string>>): string {
    const folder = `/run/contexts/${++this.#contexts}`;
    for (const [path, text] of Object.entries(files)) {
      const target = this.#daemon.host.path(join(folder, path));
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
    return folder;
  }

  /** `docker build …`, without what the CLI itself says. */
  async run(...args: string[]): Promise<Finished> {
    const { code, stdout, stderr } = await this.#daemon.docker(['build', ...args], { timeout: LONGEST });
    return { code, stdout: stdout.replace(SENDING, ''), stderr: stderr.replace(DEPRECATION, '') };
  }

  /** One that must succeed. @returns stdout */
  async ok(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    assert.equal(code, 0, `${stdout}${stderr}${this.#daemon.log.slice(-2000)}`);
    return stdout;
  }

  /** Starts one whose last command waits, and gives its CLI's PID on the host when that command runs. */
  async begin(wait: string, ...args: string[]): Promise<string> {
    const folder = this.context({ Dockerfile: `FROM busybox\nRUN echo begun; ${wait}\n` });
    const command = ['sh', '-c', 'echo $$; exec "$@"', 'sh', 'docker', 'build', '--no-cache', ...args, folder];
    const cli = this.#daemon.host.spawn(command, this.#daemon.env());
    let heard = '';
    cli.stdout?.on('data', (chunk: Buffer) => {
      heard += chunk.toString();
    });
    await eventually('the command runs', () => heard.includes('\nbegun\n'));
    return heard.split('\n')[0] ?? '';
  }

  /** Waits until buildah has no working container. */
  async nobodyWorks(): Promise<void> {
    const containers = `${this.#folder}/storage/overlay-containers/containers.json`;
    await eventually(
      'working containers are gone',
      () => readFileSync(this.#daemon.host.path(containers), 'utf8').trim() === '[]',
    );
  }

  /** Waits until no build has left a process, a file or a cgroup. */
  async nothingLeft(): Promise<void> {
    const look = `ls ${this.#folder}/work; find /sys/fs/cgroup -name "build-*"; pgrep buildah`;
    await eventually(
      'builds leave nothing',
      async () => (await this.#daemon.host.exec(['sh', '-c', look])).stdout === '',
    );
  }
}
