import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMacAddress } from '../model/address.ts';
import { KernelError } from '../model/errors.ts';
import type { NamespaceName } from '../model/resource.ts';
import { Announcer, type Neighbour } from './announcer.ts';

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
  announcer.announce([stays, goes]);
  context.mock.timers.tick(5);
  assert.deepEqual(asked.splice(0), ['sandbox:stays', 'sandbox:goes']);
  announcer.forget([link('sandbox:goes')]);
  context.mock.timers.tick(2000);
  assert.deepEqual(asked.splice(0), ['sandbox:stays', 'sandbox:stays']);

  announcer.announce([stays]);
  context.mock.timers.tick(5);
  announcer.announce([link('sandbox:stays')]);
  context.mock.timers.tick(2000);
  assert.equal(asked.length, 1 + 3);
});
