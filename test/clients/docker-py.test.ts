import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { TestDaemon } from '../daemon.ts';

test('docker-py drives Fairway', async () => {
  await using daemon = await TestDaemon.create();
  // Debian's own Python: only that one sees the package python3-docker.
  const command = ['/usr/bin/python3', '-B', join(import.meta.dirname, 'docker_py.py'), '--verbose'];
  const finished = await daemon.host.exec(command, { env: daemon.env(), timeout: 240_000 });
  assert.equal(finished.code, 0, `${finished.stderr}\n${daemon.log.slice(-4000)}`);
  assert.match(finished.stderr, /^Ran \d+ tests/m);
});
