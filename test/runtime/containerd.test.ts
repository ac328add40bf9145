import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { GrpcError } from '../../src/grpc/error.ts';
import { Containerd } from '../../src/runtime/containerd/client.ts';
import { ContainerdProcess } from '../../src/runtime/containerd/supervise.ts';
import { workplace } from './containerd.ts';

test('starts, answers, keeps what it was given, and ends', async () => {
  await using place = await workplace();
  const process = await ContainerdProcess.start(place.options);
  const containerd = await Containerd.connect(place.options.socket);
  const { version } = await containerd.version.version({});
  assert.match(version, /^v?\d+\.\d+/);
  const { container } = await containerd.containers.create({
    container: { id: 'one', labels: { a: 'b' }, runtime: { name: 'io.containerd.runc.v2' }, spec: { typeUrl: 'x' } },
  });
  assert.deepEqual({ ...container?.labels }, { a: 'b' });
  assert.match(container?.createdAt ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  await assert.rejects(containerd.containers.get({ id: 'none' }), (error) => {
    return error instanceof GrpcError && error.status === 'NOT_FOUND' && error.kind === 'notFound';
  });
  containerd.close();
  await assert.rejects(containerd.version.version({}), { kind: 'unavailable' });
  await process.stop();
  await assert.rejects(Containerd.connect(place.options.socket), { kind: 'unavailable' });
});

test('a running one is taken up again, by its process id', async () => {
  await using place = await workplace();
  const first = await ContainerdProcess.start(place.options);
  await first.release();
  const second = await ContainerdProcess.start(place.options);
  assert.equal(second.pid, first.pid);
  await second.stop();
});

test('a process id that now belongs to another program is left alone', async () => {
  await using place = await workplace();
  const first = await ContainerdProcess.start(place.options);
  await first.stop();
  await writeFile(join(place.options.state, 'containerd.pid'), `${process.pid}\n`);
  const second = await ContainerdProcess.start(place.options);
  assert.notEqual(second.pid, process.pid);
  await second.stop();
});

for (const how of ['started', 'adopted'] as const) {
  test(`one that was ${how} comes back after it was killed, and the client finds it`, async () => {
    await using place = await workplace();
    let supervisor = await ContainerdProcess.start(place.options);
    if (how === 'adopted') {
      await supervisor.release();
      supervisor = await ContainerdProcess.start(place.options);
    }
    const containerd = await Containerd.connect(place.options.socket);
    const back = new Promise<void>((resolve) => supervisor.onRestart(resolve));
    const former = supervisor.pid;
    process.kill(former, 'SIGKILL');
    await back;
    assert.notEqual(supervisor.pid, former);
    await containerd.version.version({});
    containerd.close();
    await supervisor.stop();
  });
}

test('events come as a stream that a signal ends', async () => {
  await using place = await workplace();
  const supervisor = await ContainerdProcess.start(place.options);
  const containerd = await Containerd.connect(place.options.socket);
  const abort = new AbortController();
  const topics: string[] = [];
  const listening = async () => {
    for await (const event of containerd.events.subscribe({ filters: [] }, { signal: abort.signal })) {
      topics.push(event.topic);
      abort.abort();
    }
  };
  const ended = assert.rejects(listening, { status: 'CANCELLED' });
  const target = { mediaType: 'application/json', digest: `sha256:${'0'.repeat(64)}`, size: 1 };
  // A subscription has no answer of its own: what is made until it stands goes unseen.
  while (!abort.signal.aborted) {
    await containerd.images.create({ image: { name: 'x', target } });
    await containerd.images.delete({ name: 'x' });
  }
  await ended;
  assert.match(topics[0] ?? '', /^\/images\//);
  containerd.close();
  await supervisor.stop();
});

test('a missing program is said to be missing', async () => {
  await using place = await workplace();
  const start = ContainerdProcess.start({ ...place.options, binary: '/nonexistent/containerd' });
  await assert.rejects(start, { kind: 'unavailable', message: /^Cannot start containerd: .*ENOENT/ });
});
