import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress } from '../model/address.ts';
import { UpstreamRatings } from './upstream-health.ts';

const SERVERS = ['192.0.2.1', '192.0.2.2'].map((text) => ({ address: parseIpAddress(text), from: 'host' }) as const);

function rated() {
  const ratings = new UpstreamRatings();
  const rank = (now: number) => ratings.rank(SERVERS, 'sandbox:a', now);
  const order = (now: number) => rank(now).map(({ upstream }) => upstream.address);
  const [first, second] = rank(0).map(({ health }) => health);
  assert.ok(first !== undefined && second !== undefined);
  return { ratings, order, first, second };
}

test('the order is that of the list, however fast the second is', () => {
  const { order, first, second } = rated();
  first.noteReply(0, 200, true);
  second.noteReply(0, 1, true);
  assert.deepEqual(order(1), ['192.0.2.1', '192.0.2.2']);
});

test('who owes an answer for a while comes last, until a word of it', () => {
  const { order, first } = rated();
  first.noteAsked(100);
  assert.deepEqual(order(499), ['192.0.2.1', '192.0.2.2']);
  first.noteAsked(499);
  assert.deepEqual(order(500), ['192.0.2.2', '192.0.2.1']);
  first.noteReply(900, 800, true);
  assert.deepEqual(order(900), ['192.0.2.1', '192.0.2.2']);
});

test('five errors in a row put a server last, one good answer brings it back; a single bad name does not', () => {
  const { order, first } = rated();
  for (let error = 0; error < 4; error++) first.noteReply(0, 1, false);
  assert.equal(order(1)[0], '192.0.2.1');
  first.noteReply(0, 1, false);
  assert.equal(order(1)[0], '192.0.2.2');
  first.noteReply(0, 1, true);
  assert.equal(order(1)[0], '192.0.2.1');
});

test('the wait for a server follows how long it usually takes, within bounds', () => {
  const { first, second } = rated();
  assert.equal(first.hedgeDelay(0), 300);
  for (let reply = 0; reply < 50; reply++) first.noteReply(0, 80, true);
  assert.ok(first.hedgeDelay(0) >= 80 && first.hedgeDelay(0) < 120, `${first.hedgeDelay(0)} ms`);
  for (let reply = 0; reply < 50; reply++) first.noteReply(0, 1, true);
  assert.equal(first.hedgeDelay(0), 50);
  for (let reply = 0; reply < 50; reply++) second.noteReply(0, 3_000, true);
  assert.equal(second.hedgeDelay(0), 1_000);
});

test('one that is away is tried now and then, ever more seldom', () => {
  const { first } = rated();
  first.noteFailure(true);
  const probes: number[] = [];
  for (let now = 0; now < 60_000; now += 100) if (first.takeProbe(now)) probes.push(now);
  assert.deepEqual(probes, [0, 1_000, 3_000, 7_000, 15_000, 31_000]);
});

test('a sandbox that is gone leaves nothing behind', () => {
  const ratings = new UpstreamRatings();
  const [server] = SERVERS;
  assert.ok(server !== undefined);
  ratings.rank([server, { ...server, from: 'sandbox', port: 5300 }], 'sandbox:a', 0);
  assert.deepEqual(
    ratings.statistics(0).map(({ server: text, from }) => `${from} ${text}`),
    ['host 192.0.2.1', 'sandbox:a 192.0.2.1#5300'],
  );
  ratings.forget('sandbox:a');
  assert.equal(ratings.statistics(0).length, 1);
});
