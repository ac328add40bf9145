import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineEvent } from '../model/event.ts';
import { Events } from './events.ts';

const emit = (events: Events, ...actions: string[]) => {
  for (const action of actions) events.emit('container', action, 'id', {});
};
async function actions(stream: AsyncIterable<EngineEvent>, count = Number.POSITIVE_INFINITY): Promise<string[]> {
  const seen: string[] = [];
  for await (const { action } of stream) if (seen.push(action) >= count) break;
  return seen;
}

test('times only ever grow, even when the clock stands still or jumps back', async () => {
  let now = 1000n;
  const events = new Events(() => now);
  emit(events, 'a', 'b');
  now = 5n;
  emit(events, 'c');
  const times: bigint[] = [];
  const { signal } = new AbortController();
  for await (const event of events.subscribe({ since: 0n, until: 4n, signal })) times.push(event.timeNano);
  assert.equal(times.length, 0);
  now = 2000n;
  for await (const event of events.subscribe({ since: 0n, until: 2000n, signal })) times.push(event.timeNano);
  assert.deepEqual(times, [1000n, 1001n, 1002n]);
});

test('history first, then what comes, and nothing of what is not asked for', async () => {
  const events = new Events();
  emit(events, 'old');
  const { signal } = new AbortController();
  const fresh = events.subscribe({ signal });
  const all = events.subscribe({ since: 0n, signal });
  emit(events, 'new');
  assert.deepEqual(await actions(fresh, 1), ['new']);
  assert.deepEqual(await actions(all, 2), ['old', 'new']);
  assert.equal(events.listeners, 0);
});

test('a reader waits, and an abort ends it', async () => {
  const events = new Events();
  const abort = new AbortController();
  const reading = actions(events.subscribe({ signal: abort.signal }));
  await new Promise(setImmediate);
  emit(events, 'one');
  await new Promise(setImmediate);
  abort.abort();
  assert.deepEqual(await reading, ['one']);
  assert.deepEqual(await actions(events.subscribe({ signal: abort.signal })), []);
});

test('history is bounded, and one who does not read is cut off', async () => {
  const events = new Events();
  const { signal } = new AbortController();
  const lazy = events.subscribe({ signal });
  for (let i = 0; i < 20_000; i++) emit(events, String(i));
  assert.equal(events.listeners, 0);
  assert.equal((await actions(lazy)).length, 16_385);
  const history = await actions(events.subscribe({ since: 0n, signal }), 2048);
  assert.equal(history[0], String(20_000 - 2048));
});
