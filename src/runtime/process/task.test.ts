import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { GrpcError } from '../../grpc/error.ts';
import type { Containerd } from '../containerd/client.ts';
import { createTask } from './task.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const NOT_FOUND = new GrpcError('NOT_FOUND', '/Delete', 'task not found');
const failed = (message: string) => new GrpcError('UNKNOWN', '/Create', message);

/** A containerd that says these, one after the other, and then makes the task. */
function create(answers: readonly (() => GrpcError)[], asked: () => void = () => undefined) {
  const left = [...answers];
  const tasks = {
    create: async () => {
      asked();
      const answer = left.shift();
      if (answer !== undefined) throw answer();
      return { containerId: 'one', pid: process.pid };
    },
    delete: async () => {
      throw NOT_FOUND;
    },
  };
  const containerd = { tasks } as unknown as Containerd;
  return createTask({ containerd, logger: silent }, { containerId: 'one' } as Parameters<typeof createTask>[1]);
}

test('a folder in the way is waited for, and a task that lost its own afterwards is made again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fairway-task-'));
  let gone = 0;
  const times: number[] = [];
  const remove = () => {
    rmdirSync(folder);
    gone = performance.now();
  };
  const inTheWay = () => {
    setTimeout(remove, 120);
    return failed(`failed to start shim: mkdir ${folder}: file exists: unknown`);
  };
  const lost = () => failed('failed to create shim task: OCI runtime create failed: invalid rootfs');
  assert.deepEqual(await create([inTheWay, lost], () => times.push(performance.now())), {
    containerId: 'one',
    pid: process.pid,
  });
  assert.ok(!existsSync(folder));
  assert.equal(times.length, 3);
  assert.ok((times[1] ?? 0) - gone > 40, 'containerd has time to look once more whether it is gone');
});

test('a task is made again when its folder or its shim was taken away, but not for ever', async () => {
  for (const message of [
    'failed to start shim: symlink /data/one /run/one/work: no such file or directory: unknown',
    'failed to start shim: start failed: io.containerd.runc.v2: getwd: no such file or directory: exit status 1: unknown',
    'failed to start shim: start failed: dial unix /run/containerd/s/one: connect: connection refused: unavailable',
    'failed to create shim task: open /run/one/options.json: no such file or directory: not found',
    'failed to create shim task: ttrpc: closed: unknown',
  ]) {
    assert.equal((await create([() => failed(message)])).pid, process.pid);
    await assert.rejects(create(Array.from({ length: 9 }, () => () => failed(message))), { message });
  }
});

test('what runc refuses is refused at once', async () => {
  const message =
    'failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/nosuch": stat /nosuch: no such file or directory: unknown';
  let times = 0;
  await assert.rejects(
    create([() => failed(message)], () => times++),
    { message },
  );
  assert.equal(times, 1);
});
