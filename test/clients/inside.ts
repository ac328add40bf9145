import assert from 'node:assert/strict';
import { TestDaemon } from '../daemon.ts';

const MARK = 'FAIRWAY_TEST_CLIENT_INSIDE';

/** Whether this process runs on a test host, beside a daemon. */
export const isInside = process.env[MARK] === '1';

/** Runs a test file again beside a daemon, on a test host: an SDK is a library and wants the daemon's socket in its own mounts. */
export async function runInside(file: string): Promise<void> {
  await using daemon = await TestDaemon.create();
  const command = ['env', '-u', 'NODE_TEST_CONTEXT', process.execPath, '--test-reporter=spec', file];
  const env = { ...daemon.env(), [MARK]: '1', TESTCONTAINERS_RYUK_DISABLED: 'true' };
  const finished = await daemon.host.exec(command, { env, timeout: 240_000 });
  assert.equal(finished.code, 0, `${finished.stdout}\n${finished.stderr}\n${daemon.log.slice(-4000)}`);
}
