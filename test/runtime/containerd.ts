import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from '../../src/model/logger.ts';
import { NAMESPACE } from '../../src/runtime/containerd/client.ts';
import { type ContainerdOptions, ContainerdProcess } from '../../src/runtime/containerd/supervise.ts';

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export interface Workplace extends AsyncDisposable {
  readonly directory: string;
  readonly options: ContainerdOptions;
}

/** Directories for one test's containerd; one that still runs in them is ended with the test. */
export async function workplace(): Promise<Workplace> {
  const directory = await mkdtemp(join(tmpdir(), 'fairway-containerd-'));
  const state = join(directory, 'state');
  const options = {
    root: join(directory, 'root'),
    state,
    socket: join(state, 'c.sock'),
    logger: silent,
    namespace: NAMESPACE,
  };
  return {
    directory,
    options,
    async [Symbol.asyncDispose]() {
      const pid = Number(await readFile(join(state, 'containerd.pid'), 'utf8').catch(() => '0'));
      if (pid > 1) await (await ContainerdProcess.start(options)).stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
