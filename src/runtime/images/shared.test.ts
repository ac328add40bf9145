import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Progress } from '../../model/registry.ts';
import { Shared, Slots } from './shared.ts';

function watcher() {
  const controller = new AbortController();
  const told: Progress[] = [];
  return { controller, told, signal: controller.signal, progress: (progress: Progress) => told.push(progress) };
}

test('what two want is done once, and both are told', async () => {
  const shared = new Shared();
  const [a, b] = [watcher(), watcher()];
  const { promise, resolve } = Promise.withResolvers<void>();
  let times = 0;
  const work = async (_signal: AbortSignal, report: (progress: Progress) => void) => {
    times++;
    report({ status: 'begun' });
    await promise;
    report({ status: 'done' });
  };
  const first = shared.run('key', a, work);
  await Promise.resolve().then(() => undefined);
  const second = shared.run('key', b, work);
  resolve();
  await Promise.all([first, second]);
  assert.equal(times, 1);
  assert.deepEqual(a.told, [{ status: 'begun' }, { status: 'done' }]);
  assert.deepEqual(b.told, a.told);
  await shared.run('key', a, work);
  assert.equal(times, 2);
});

test('work goes on for who stays, and ends when nobody wants it', async () => {
  const shared = new Shared();
  const [a, b] = [watcher(), watcher()];
  const aborted = Promise.withResolvers<void>();
  const work = (signal: AbortSignal) =>
    new Promise<void>((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        aborted.resolve();
        reject(signal.reason);
      });
    });
  const first = shared.run('key', a, work);
  const second = shared.run('key', b, work);
  a.controller.abort(new Error('a left'));
  await assert.rejects(first, /a left/);
  b.controller.abort(new Error('b left'));
  await assert.rejects(second, /b left/);
  await aborted.promise;
});

test('a failure is everybody’s', async () => {
  const shared = new Shared();
  const work = () => Promise.reject(new Error('broken'));
  const both = [shared.run('key', watcher(), work), shared.run('key', watcher(), work)];
  for (const one of both) await assert.rejects(one, /broken/);
});

test('slots: so many at once, in turn, and who leaves the queue is passed over', async () => {
  const slots = new Slots(() => 2);
  const order: string[] = [];
  const ends = [1, 2, 3, 4].map(() => Promise.withResolvers<void>());
  const leaving = new AbortController();
  const stay = new AbortController().signal;
  const run = (name: string, index: number, signal = stay) =>
    slots.run(
      signal,
      () => order.push(`${name} waits`),
      async () => {
        order.push(`${name} runs`);
        await ends[index]?.promise;
      },
    );
  const all = [run('a', 0), run('b', 1), run('c', 2, leaving.signal), run('d', 3)];
  leaving.abort(new Error('c left'));
  await assert.rejects(all[2] ?? Promise.resolve(), /c left/);
  ends[1]?.resolve();
  await all[1];
  ends[0]?.resolve();
  ends[3]?.resolve();
  await Promise.all([all[0], all[3]]);
  assert.deepEqual(order, ['a runs', 'b runs', 'c waits', 'd waits', 'd runs']);
  await run('e', 3);
  assert.equal(order.at(-1), 'e runs');
});
