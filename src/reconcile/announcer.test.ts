import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMacAddress } from '../model/address.ts';
import { KernelError } from '../model/errors.ts';
import type { NamespaceName } from '../model/resource.ts';
import { Announcer, type Neighbour } from './announcer.ts';
import type { Place } from './places.ts';

test('a link that goes is asked for no more, and one that is made again tells as often as a new one', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const asked: NamespaceName[] = [];
  const announcer = new Announcer({
    at: (namespace) => {
      asked.push(namespace);
      throw new KernelError({ operation: 'enter', errno: 2, sentence: '' }, 'ENOENT');
    },
    release: () => undefined,
  });
  const link = (namespace: NamespaceName): Neighbour => {
    return { namespace, name: 'eth0', mac: parseMacAddress('02:42:ac:11:00:02') };
  };
  const [stays, goes] = [link('sandbox:stays'), link('sandbox:goes')];
  // In steps: what a timer sets counts from where the clock has got to.
  const pass = (milliseconds: number) => {
    for (let i = 0; i < milliseconds; i += 5) context.mock.timers.tick(5);
  };
  announcer.announce([stays, goes]);
  pass(5);
  assert.deepEqual(asked.splice(0), ['sandbox:stays', 'sandbox:goes']);
  announcer.forget([link('sandbox:goes')]);
  pass(3000);
  assert.deepEqual(asked.splice(0), ['sandbox:stays', 'sandbox:stays']);

  announcer.announce([stays]);
  pass(5);
  announcer.announce([link('sandbox:stays')]);
  pass(3000);
  assert.equal(asked.length, 1 + 3);
});

test('nothing is told until somebody can hear it, or for half a second; then three times, a second apart', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const mac = parseMacAddress('02:42:ac:11:00:02');
  const told: number[] = [];
  let [now, runs] = [0, false];
  const socket = {
    link: () => ({ index: 2, mac, up: true }),
    runs: () => runs,
    neighbours: () => [],
    batch: () => ({ setLink: () => ({ send: () => told.push(now) }) }),
  };
  const announcer = new Announcer({ at: () => ({ socket }) as unknown as Place, release: () => undefined });
  const pass = (milliseconds: number) => {
    for (const end = now + milliseconds; now < end; ) {
      now += 5;
      context.mock.timers.tick(5);
    }
  };
  announcer.announce([{ namespace: 'sandbox:a', name: 'eth0', mac }]);
  pass(50);
  assert.deepEqual(told, []);
  runs = true;
  pass(3000);
  assert.deepEqual(told.splice(0), [55, 1055, 2055]);
  [now, runs] = [0, false];
  announcer.announce([{ namespace: 'sandbox:a', name: 'eth0', mac, announce: { count: 2, interval: 100 } }]);
  pass(1000);
  assert.deepEqual(told, [505, 605]);
});
