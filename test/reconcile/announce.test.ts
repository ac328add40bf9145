import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { bridge } from '../../src/drivers/bridge/bridge.ts';
import { bridgeName } from '../../src/drivers/bridge/name.ts';
import { describeSandbox } from '../../src/drivers/sandbox.ts';
import { NetworkNamespace } from '../../src/kernel/netns.ts';
import { PacketSocket } from '../../src/kernel/packet-socket.ts';
import { RouteSocket } from '../../src/kernel/rtnetlink.ts';
import type { Sandbox } from '../../src/model/network.ts';
import type { Announcement, Owner } from '../../src/model/resource.ts';
import { eventually } from '../host.ts';
import { endpointOf, Fixture, networkOf, type Wishes } from './fixture.ts';

/** So many that everybody who comes is dear to tell to all of them. */
const CROWD = 40;
/** Milliseconds; longer than anybody goes on announcing */
const LATE = 2500;
const network = networkOf(1);

describe('on a bridge with many ports', () => {
  let fixture: Fixture;
  /** Hears what goes to all */
  let ear: Sandbox;
  const wishes: Wishes = new Map<Owner, never[]>();
  const announced: { readonly host: number; readonly time: number }[] = [];
  const resources = new DisposableStack();

  before(async () => {
    fixture = await Fixture.create();
    await wish([[`network:${network.id}`, bridge.network(network)]]);
    ear = await join(2);
    for (let host = 3; host < CROWD; host++) await join(host);
    const namespace = resources.use(NetworkNamespace.open(fixture.reconciler.sandboxPath(ear.namespace)));
    using socket = new RouteSocket(namespace);
    const link = socket.link('eth0')?.index ?? 0;
    resources.use(new PacketSocket(namespace, link, 'arp', hear));
  });
  after(async () => {
    resources.dispose();
    await fixture[Symbol.asyncDispose]();
  });

  /** RFC 826 behind an Ethernet header: who asks for the address that he has announces it (RFC 5227 section 3). */
  function hear(frame: Buffer): void {
    const [sender, target] = [frame.subarray(28, 32), frame.subarray(38, 42)];
    if (sender.equals(target)) announced.push({ host: sender[3] ?? 0, time: performance.now() });
  }

  async function wish(changes: Iterable<[Owner, Parameters<Wishes['set']>[1]]>): Promise<void> {
    for (const [owner, wished] of changes) wishes.set(owner, wished);
    await fixture.reconciler.commit(new Map(changes));
  }

  /** @param host last byte of the address @param time how often it was given before */
  async function join(host: number, time = 0, announce?: Announcement): Promise<Sandbox> {
    const id = [host, time].map((byte) => byte.toString(16).padStart(2, '0')).join('');
    const sandbox: Sandbox = { id: id.padEnd(64, '0'), namespace: `sandbox:${id.padEnd(64, '0')}`, resolver: false };
    const made = endpointOf({ network, sandbox, host, mac: `02:00:00:00:${id.slice(2)}:${id.slice(0, 2)}` });
    const endpoint = announce === undefined ? made : { ...made, announce };
    await wish([
      [`sandbox:${sandbox.id}`, describeSandbox(sandbox)],
      [`endpoint:${sandbox.id}`, bridge.endpoint(network, endpoint, sandbox)],
    ]);
    return sandbox;
  }

  async function leave({ id }: Sandbox): Promise<void> {
    await wish([
      [`sandbox:${id}`, []],
      [`endpoint:${id}`, []],
    ]);
  }

  const isAnnounced = (host: number) => announced.some((one) => one.host === host);
  const hears = (host: number) => eventually(`10.1.0.${host} is announced`, () => isAnnounced(host));

  /** Somebody who comes later, and is asked to tell for longer, has told all. */
  async function silence(): Promise<void> {
    const start = performance.now();
    const teller = await join(200, 0, { count: 2, interval: LATE });
    await eventually('who shall tell in any case does', () =>
      announced.some(({ host, time }) => host === 200 && time - start > LATE),
    );
    await leave(teller);
  }

  test('who has an address that nobody had before tells nobody, and is reached', async () => {
    const first = await join(100);
    await silence();
    assert.ok(!isAnnounced(100));
    assert.ok(fixture.reaches(ear.namespace, '10.1.0.100'));
    await leave(first);
  });

  test('the next holder is told of, three times, a second apart', async () => {
    announced.length = 0;
    const next = await join(100, 1);
    await hears(100);
    assert.ok(fixture.reaches(ear.namespace, '10.1.0.100'));
    await silence();
    const times = announced.filter(({ host }) => host === 100).map(({ time }) => time);
    const [first = 0, second = 0, third = 0, ...more] = times;
    assert.deepEqual([times.length, more.length], [3, 0]);
    assert.ok(second - first > 900 && third - second > 900, times.join());
    await leave(next);
  });

  test('so is who gets an address that somebody gave himself, and one that the bridge had', async () => {
    fixture.inside(ear.namespace, 'ip addr add 10.1.0.101/24 dev eth0');
    fixture.sh(`ip addr add 10.1.0.102/24 dev ${bridgeName(network)}`);
    await fixture.reconciler.settled();
    fixture.inside(ear.namespace, 'ip addr del 10.1.0.101/24 dev eth0');
    fixture.sh(`ip addr del 10.1.0.102/24 dev ${bridgeName(network)}`);
    announced.length = 0;
    for (const host of [101, 102]) {
      await join(host);
      await hears(host);
    }
  });

  test('a network’s number of announcements is kept to, none included', async () => {
    const sandboxes = [];
    for (let count = 0; count <= 3; count++) sandboxes.push(await join(110 + count, 0, { count, interval: 100 }));
    await silence();
    const heard = sandboxes.map((_, count) => announced.filter(({ host }) => host === 110 + count).length);
    assert.deepEqual(heard, [0, 1, 2, 3]);
    for (const sandbox of sandboxes) await leave(sandbox);
  });

  test('a link that is mended tells everybody', async () => {
    announced.length = 0;
    await join(103);
    fixture.sh(`ip link del $(ip -o link show master ${bridgeName(network)} | tail -1 | sed 's/.*: \\(.*\\)@.*/\\1/')`);
    await hears(103);
  });

  test('what is known of the neighbours of a link that announces stays, said for good or learnt', async () => {
    const teller = await join(110, 0, { count: 2, interval: LATE });
    const said = '10.1.0.250 dev eth0 lladdr 02:00:00:00:00:fe';
    fixture.inside(teller.namespace, `ip neigh add ${said.replace(' dev eth0', '')} dev eth0 nud permanent`);
    assert.ok(fixture.reaches(teller.namespace, '10.1.0.2'));
    const before = performance.now();
    await eventually('it has told the second time', () =>
      announced.some(({ host, time }) => host === 110 && time - before > LATE / 2),
    );
    assert.match(fixture.inside(teller.namespace, 'ip neigh show nud permanent'), new RegExp(`^${said}`, 'm'));
    assert.match(fixture.inside(teller.namespace, 'ip neigh show 10.1.0.2'), /lladdr/);
    await leave(teller);
  });

  test('where a stranger is on the bridge, who is new tells everybody', async () => {
    fixture.sh(`ip link add lan type veth peer name far && ip link set lan master ${bridgeName(network)}`);
    await fixture.reconciler.settled();
    announced.length = 0;
    await join(104);
    await hears(104);
    fixture.sh('ip link del lan');
    announced.length = 0;
    await join(105);
    await hears(105);
  });

  test('so he does where the daemon does not know what was before', async () => {
    await fixture.restart(wishes);
    announced.length = 0;
    await join(106);
    await hears(106);
  });
});
