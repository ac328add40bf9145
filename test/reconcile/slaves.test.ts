import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { describeSandbox } from '../../src/drivers/sandbox.ts';
import { parseInterfaceAddress, parseMacAddress, parsePrefix } from '../../src/model/address.ts';
import type { MacvlanMode, Owner, Resource } from '../../src/model/resource.ts';
import { eventually } from '../host.ts';
import { Fixture, gone, sandboxOf, told, type Wishes } from './fixture.ts';

const ONE = sandboxOf('1');
const TWO = sandboxOf('2');

/** A macvlan "eth0" of 10.7.0.<number>/24 in a sandbox, on the host's "eth0". */
function slave({ namespace, id }: typeof ONE, number: number, mode: MacvlanMode = 'bridge'): Wishes {
  const mac = parseMacAddress(`02:00:00:00:07:0${number}`);
  const address = parseInterfaceAddress(`10.7.0.${number}/24`);
  const resources: Resource[] = [
    { kind: 'link', type: 'macvlan', namespace, name: 'eth0', up: true, mac, parent: 'eth0', mode },
    { kind: 'address', namespace, link: 'eth0', address, adopt: false },
    { kind: 'route', namespace, destination: parsePrefix('0.0.0.0/0'), link: 'eth0' },
  ];
  return new Map<Owner, readonly Resource[]>([
    [`sandbox:${id}`, describeSandbox({ id, namespace, resolver: false })],
    [`endpoint:${number}${id.slice(1)}`, resources],
  ]);
}

const NETWORK: Wishes = new Map([['network:7', [{ kind: 'parent', namespace: 'host', link: 'eth0' }]]]);

/** A host with "eth0", whose other end "far0" is the wire's. */
async function hostWithParent(): Promise<Fixture> {
  const fixture = await Fixture.create();
  plugIn(fixture);
  return fixture;
}

function plugIn(fixture: Fixture): void {
  fixture.sh('ip link add eth0 type veth peer name far0; ip link set eth0 up; ip link set far0 up');
}

test('macvlans are born in their sandboxes, found again by the next daemon, and leave their parent alone', async () => {
  await using fixture = await hostWithParent();
  const before = fixture.sh('ip -o link | wc -l');
  const wishes = new Map([...NETWORK, ...slave(ONE, 2), ...slave(TWO, 3)]);
  await fixture.reconciler.commit(wishes);
  assert.deepEqual(told(fixture.reconciler.plan()), []);
  assert.ok(fixture.reaches(ONE.namespace, '10.7.0.3'));
  assert.match(
    fixture.inside(ONE.namespace, 'ip -d link show eth0'),
    /02:00:00:00:07:02[\s\S]*macvlan mode bridge[\s\S]*alias fairway endpoint:2/,
  );
  assert.deepEqual(told(await fixture.restart(wishes)), []);
  await fixture.reconciler.commit(gone(wishes));
  await fixture.reconciler.settled();
  assert.equal(fixture.sh('ip -o link | wc -l'), before);
});

test('a parent that goes takes the macvlans along, and when it comes back they do', async () => {
  await using fixture = await hostWithParent();
  const { reconciler } = fixture;
  await reconciler.commit(new Map([...NETWORK, ...slave(ONE, 2), ...slave(TWO, 3)]));
  await reconciler.settled();
  fixture.sh('ip link del eth0');
  await eventually('it is told that the parent is gone', () =>
    fixture.lines.some((line) => line.includes('parent interface')),
  );
  assert.ok(!fixture.inside(ONE.namespace, 'ip -o link').includes('eth0'));
  assert.deepEqual(told(reconciler.plan()), ['create parent eth0'], 'what hangs from it waits');
  plugIn(fixture);
  await eventually('it is mended', () => fixture.inside(TWO.namespace, 'ip -o link').includes('eth0'));
  await reconciler.settled();
  assert.deepEqual(told(reconciler.plan()), []);
  assert.ok(fixture.reaches(ONE.namespace, '10.7.0.3'));
  assert.equal(fixture.inside(ONE.namespace, 'ip route show default'), 'default dev eth0 proto 70 scope link');
});

test('a parent that was away for long is no longer waited for by the minute', async () => {
  await using fixture = await hostWithParent();
  const { reconciler } = fixture;
  await reconciler.commit(new Map([...NETWORK, ...slave(ONE, 2)]));
  fixture.sh('ip link del eth0');
  const tries = () => fixture.lines.filter((line) => line.includes('parent interface')).length;
  await eventually('it was tried twice', () => tries() > 2);
  // From the next try on, the one after it never comes: only that the parent is told of can lead to the mending.
  const { setTimeout: schedule } = globalThis;
  const endless = (act: () => void, milliseconds: number) => schedule(act, milliseconds < 1_000 ? milliseconds : 1e9);
  const waiting = mock.method(globalThis, 'setTimeout', endless as typeof schedule);
  try {
    const before = tries();
    await eventually('it was tried again', () => tries() > before);
    plugIn(fixture);
    await eventually('it is mended', () => fixture.inside(ONE.namespace, 'ip -o link').includes('eth0'));
  } finally {
    waiting.mock.restore();
  }
});

test('a parent that is down is no fault, and neither is one that gets another name', async () => {
  await using fixture = await hostWithParent();
  const { reconciler } = fixture;
  fixture.sh('ip link set eth0 down');
  await reconciler.commit(new Map([...NETWORK, ...slave(ONE, 2), ...slave(TWO, 3)]));
  await reconciler.settled();
  assert.deepEqual(told(reconciler.plan()), []);
  fixture.sh('ip link set eth0 up');
  assert.ok(fixture.reaches(ONE.namespace, '10.7.0.3'));
  const number = () => fixture.inside(ONE.namespace, 'ip -o link show eth0 | cut -d: -f1');
  const index = number();
  fixture.sh('ip link set eth0 down; ip link set eth0 name lan7; ip link set lan7 up');
  await eventually('its absence is told', () => fixture.lines.some((line) => line.includes('parent interface')));
  assert.equal(number(), index);
  assert.ok(fixture.reaches(ONE.namespace, '10.7.0.3'), 'what hangs from it hangs on');
});

test('without its parent nothing can be made, and nothing is left of the attempt', async () => {
  await using fixture = await Fixture.create();
  const { reconciler } = fixture;
  const missing = /^EngineError: -o parent interface was not found on the host: eth0$/;
  await assert.rejects(reconciler.commit(NETWORK), missing);
  await assert.rejects(reconciler.commit(slave(ONE, 2)), missing);
  assert.equal(reconciler.desired().size, 0);
  assert.deepEqual(told(reconciler.plan()), []);
});

test('an address and a MAC address are free again the moment their sandbox is given up', async () => {
  await using fixture = await hostWithParent();
  const { reconciler } = fixture;
  await reconciler.commit(new Map([...NETWORK, ...slave(TWO, 3)]));
  for (let round = 0; round < 5; round++) {
    await reconciler.commit(slave(ONE, 2));
    assert.ok(fixture.reaches(TWO.namespace, '10.7.0.2'));
    await reconciler.commit(gone(slave(ONE, 2)));
  }
  await reconciler.settled();
  assert.equal(reconciler.repairs.count, 0, fixture.lines.join('\n'));
});

test('passthru is for one alone, and for the next one at once', async () => {
  await using fixture = await hostWithParent();
  const { reconciler } = fixture;
  await reconciler.commit(NETWORK);
  for (let round = 0; round < 3; round++) {
    await reconciler.commit(slave(ONE, 2, 'passthru'));
    await assert.rejects(reconciler.commit(slave(TWO, 3, 'passthru')), /EINVAL/);
    await reconciler.commit(gone(slave(ONE, 2)));
  }
});

test('a sandbox that stays loses the link, and gets it anew in another mode', async () => {
  await using fixture = await hostWithParent();
  const { reconciler } = fixture;
  await reconciler.commit(new Map([...NETWORK, ...slave(ONE, 2)]));
  await reconciler.commit(gone(slave(ONE, 2), /sandbox/));
  assert.equal(fixture.inside(ONE.namespace, 'ip -o link | wc -l'), '1');
  await reconciler.commit(slave(ONE, 2, 'bridge'));
  await reconciler.commit(slave(ONE, 2, 'private'));
  assert.match(fixture.inside(ONE.namespace, 'ip -d link show eth0'), /mode private/);
  assert.equal(fixture.inside(ONE.namespace, 'ip route show default'), 'default dev eth0 proto 70 scope link');
});

test('reconcile() mends what was done to a macvlan from inside, and takes away what a killed daemon left half made', async () => {
  await using fixture = await hostWithParent();
  const { reconciler } = fixture;
  const wishes = new Map([...NETWORK, ...slave(ONE, 2), ...slave(TWO, 3)]);
  await reconciler.commit(wishes);
  fixture.inside(ONE.namespace, 'ip link set eth0 down');
  fixture.inside(TWO.namespace, 'ip link del eth0');
  fixture.sh(
    `ip link add fw-half link eth0 netns ${fixture.reconciler.sandboxPath(ONE.namespace)} group 18007 type macvlan mode bridge`,
  );
  const repairs = told(await reconciler.reconcile());
  assert.ok(repairs.includes(`remove link ${ONE.namespace} fw-half`), repairs.join('\n'));
  assert.deepEqual(told(reconciler.plan()), []);
  assert.ok(fixture.reaches(ONE.namespace, '10.7.0.3'));
});
