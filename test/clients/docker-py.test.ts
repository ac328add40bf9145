import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { SOCKET, TestDaemon } from '../daemon.ts';

test('docker-py drives Fairway', async () => {
  // Its WebSockets come by TCP alone; the host is the test's own.
  const flags = ['-H', `unix://${SOCKET}`, '-H', 'tcp://127.0.0.1:2375', '--dangerously-serve-tcp-without-tls'];
  await using daemon = await TestDaemon.create(flags);
  // Debian's own Python: only that one sees the package python3-docker.
  const command = ['/usr/bin/python3', '-B', join(import.meta.dirname, 'docker_py.py'), '--verbose'];
  const finished = await daemon.host.exec(command, { env: daemon.env(), timeout: 240_000 });
  assert.equal(finished.code, 0, `${finished.stderr}\n${daemon.log.slice(-4000)}`);
  assert.match(finished.stderr, /^Ran \d+ tests/m);
});
