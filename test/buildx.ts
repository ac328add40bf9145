import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { TestDaemon } from './daemon.ts';
import type { Finished } from './host.ts';

/** A plugin of the docker CLI; tools/setup.sh leaves it here. BUILDX names another one. */
const PLUGIN = process.env['BUILDX'] ?? join(import.meta.dirname, '../.cache/clients/docker-buildx');
/** In ms */
const LONGEST = 200_000;

/** `docker build` by BuildKit, as buildx asks for it, on a test daemon. */
export class Buildx {
  readonly #daemon: TestDaemon;

  constructor(daemon: TestDaemon) {
    this.#daemon = daemon;
    const plugins = daemon.host.path('/run/docker-config/cli-plugins');
    mkdirSync(plugins, { recursive: true });
    symlinkSync(PLUGIN, join(plugins, 'docker-buildx'));
  }

  get env(): Record<string, string> {
    return { ...this.#daemon.env(), DOCKER_BUILDKIT: '1' };
  }

  docker(...args: string[]): Promise<Finished> {
    return this.#daemon.docker(args, { timeout: LONGEST, env: this.env });
  }

  /** A script on the test host, with `docker` in it. */
  shell(script: string): Promise<Finished> {
    return this.#daemon.host.exec(['sh', '-c', script], { timeout: LONGEST, env: this.env });
  }

  /** `docker build …` that must succeed. @returns what it tells of its steps, without times and numbers */
  async ok(...args: string[]): Promise<string> {
    const { code, stderr } = await this.docker('build', '--progress=plain', ...args);
    assert.equal(code, 0, `${stderr}${this.#daemon.log.slice(-3000)}`);
    return told(stderr);
  }

  /** `docker build …` that must fail. @returns what it says */
  async fails(...args: string[]): Promise<string> {
    const { code, stderr } = await this.docker('build', '--progress=plain', ...args);
    assert.equal(code, 1, stderr);
    return stderr;
  }
}

/** Plain progress without what differs from run to run. */
export function told(progress: string): string {
  return progress
    .split('\n')
    .filter((line) => !/^#\d+ (DONE|\.\.\.)|^$|^#0 /.test(line))
    .map((line) => line.replace(/^#\d+ (\d+\.\d+ )?/, '').replace(/( \d+\.\d+s)? done$/, ''))
    .join('\n')
    .replaceAll(/sha256:[0-9a-f]{64}/g, 'sha256:ID');
}
