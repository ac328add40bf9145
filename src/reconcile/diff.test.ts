import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type InterfaceAddress,
  parseInterfaceAddress,
  parseIpAddress,
  parseMacAddress,
  parsePrefix,
} from '../model/address.ts';
import { type NamespaceName, type Owner, type Resource, resourceKey } from '../model/resource.ts';
import { diff } from './diff.ts';
import { foundations, linkEnd, linkEnds, rank } from './foundation.ts';
import type { PlanStep } from './plan.ts';
import type { Wish } from './wishes.ts';

/** A kernel that exists in memory: it refuses what the real one refuses and takes along what the real one takes along. */
class World {
  readonly things = new Map<string, Resource>();
  /** Namespaces and how often each was made: a socket stays in the one it was opened in */
  readonly #generations = new Map<string, number>();
  readonly #sockets = new Map<string, number>();

  observe(wished: ReadonlyMap<string, Wish>): Map<string, Resource> {
    const entries = [...this.things].filter(([key, thing]) => wished.has(key) || !isPermanent(thing));
    return new Map(entries);
  }

  apply(step: PlanStep): void {
    const key = resourceKey(step.resource);
    if (step.action === 'remove') {
      this.remove(key);
      return;
    }
    const exists = this.things.has(key);
    if (step.resource.kind !== 'sysctl' && step.resource.kind !== 'link') {
      assert.equal(exists, step.action === 'update', `${step.action} ${key}`);
    }
    this.#put(key, step.resource);
  }

  #put(key: string, thing: Resource): void {
    for (const foundation of foundations(thing)) assert.ok(this.#stands(foundation), `${key} needs ${foundation}`);
    if (thing.kind === 'link' && thing.type === 'veth') assert.ok(this.#stands(linkEnd('host', thing.master)), key);
    if (thing.kind === 'route')
      assert.ok(this.#addresses(thing.namespace, thing.link).length > 0, `${key}: unreachable`);
    if (thing.kind === 'namespace') this.#generations.set(key, this.#generation(key) + 1);
    if (thing.kind === 'listener') this.#sockets.set(key, this.#generation(`namespace ${thing.namespace}`));
    this.things.set(key, thing);
  }

  remove(key: string): void {
    const thing = this.things.get(key);
    assert.ok(thing !== undefined, `remove ${key}`);
    this.things.delete(key);
    const gone = new Set(thing.kind === 'link' ? linkEnds(thing) : thing.kind === 'namespace' ? [key] : []);
    for (const [other, rest] of [...this.things]) {
      if (rest.kind !== 'listener' && foundations(rest).some((foundation) => gone.has(foundation as never))) {
        if (this.things.has(other)) this.remove(other);
      } else if (rest.kind === 'link' && rest.type === 'veth' && gone.has(linkEnd('host', rest.master))) {
        this.things.set(other, { ...rest, master: '' });
      }
    }
    if (thing.kind === 'address') this.#flushRoutes(thing.namespace, thing.link);
  }

  /** Sockets that stand in a namespace that is no more. */
  staleSockets(): string[] {
    return [...this.things.values()].flatMap((thing) => {
      if (thing.kind !== 'listener') return [];
      const key = resourceKey(thing);
      return this.#sockets.get(key) === this.#generation(`namespace ${thing.namespace}`) ? [] : [key];
    });
  }

  #flushRoutes(namespace: NamespaceName, link: string): void {
    for (const [key, thing] of [...this.things]) {
      if (thing.kind === 'route' && thing.namespace === namespace && thing.link === link) this.things.delete(key);
    }
  }

  #addresses(namespace: NamespaceName, link: string): Resource[] {
    return [...this.things.values()].filter(
      (thing) => thing.kind === 'address' && thing.namespace === namespace && thing.link === link,
    );
  }

  #stands(foundation: string): boolean {
    if (foundation.startsWith('namespace ')) return this.things.has(foundation);
    return [...this.things.values()].some(
      (thing) => thing.kind === 'link' && linkEnds(thing).some((end) => end === foundation),
    );
  }

  #generation(namespace: string): number {
    return this.#generations.get(namespace) ?? 0;
  }
}

/** What stays when nobody wishes it any more. */
function isPermanent(thing: Resource): boolean {
  return thing.kind === 'sysctl' || (thing.kind === 'link' && thing.type === 'loopback');
}

const SANDBOXES: readonly NamespaceName[] = ['sandbox:1', 'sandbox:2'];
const BRIDGES = ['br1', 'br2'];
const PARENTS = ['dm1', 'dm2'];

/** A coherent set of wishes, made from a list of coin flips and choices. */
function wishesFrom(choose: (below: number) => number): Resource[] {
  const some = <T>(all: readonly T[]): T[] => all.filter(() => choose(3) > 0);
  const sandboxes = some(SANDBOXES);
  const bridges = some(BRIDGES);
  const wishes: Resource[] = [
    ...sandboxes.flatMap((name) => sandboxWishes(name, choose)),
    ...bridges.flatMap((name) => bridgeWishes(name, choose)),
  ];
  if (choose(2) === 0) wishes.push({ kind: 'firewall', meaning: 'forward-guard', family: 4 });
  wishes.push({ kind: 'sysctl', namespace: 'host', path: 'net/ipv4/ip_forward', value: String(choose(2)) });
  wishes.push(...slaveWishes(some(PARENTS), [...sandboxes, 'host'], choose));
  if (sandboxes.length === 0 || bridges.length === 0) return wishes;
  const taken = new Set<NamespaceName>();
  for (const id of some(['a', 'b', 'c'])) {
    const namespace = sandboxes[choose(sandboxes.length)] ?? 'sandbox:1';
    wishes.push(
      ...endpointWishes(id, namespace, bridges[choose(bridges.length)] ?? 'br1', !taken.has(namespace), choose),
    );
    taken.add(namespace);
  }
  return wishes;
}

function sandboxWishes(name: NamespaceName, choose: (below: number) => number): Resource[] {
  const wishes: Resource[] = [
    { kind: 'namespace', name },
    { kind: 'link', type: 'loopback', namespace: name, name: 'lo', up: true },
    { kind: 'sysctl', namespace: name, path: 'net/ipv6/conf/default/disable_ipv6', value: '1' },
  ];
  const address = parseIpAddress('127.0.0.11');
  if (choose(2) === 0) wishes.push({ kind: 'listener', purpose: 'resolver', namespace: name, address });
  return wishes;
}

function bridgeWishes(name: string, choose: (below: number) => number): Resource[] {
  const subnet = parsePrefix(`10.0.${choose(2)}.0/24`);
  const address = parseInterfaceAddress(subnet.replace('.0/', '.1/'));
  return [
    { kind: 'link', type: 'bridge', namespace: 'host', name, up: true, adopt: false, mtu: 1400 + choose(2) },
    { kind: 'sysctl', namespace: 'host', path: `net/ipv4/conf/${name}/route_localnet`, value: '1' },
    { kind: 'address', namespace: 'host', link: name, address, adopt: false },
    { kind: 'firewall', meaning: 'masquerade', bridge: name, subnet },
    { kind: 'route', namespace: 'host', destination: parsePrefix('10.9.0.0/16'), link: name },
  ].filter((wish) => wish.kind !== 'route' || name === 'br1') as Resource[];
}

/** Dummies, and what hangs from them: in the sandboxes and on the host. */
function slaveWishes(
  parents: readonly string[],
  places: readonly NamespaceName[],
  choose: (below: number) => number,
): Resource[] {
  const wishes: Resource[] = parents.map((name) => {
    return { kind: 'link', type: 'dummy', namespace: 'host', name, up: true, mtu: 1400 + choose(2) };
  });
  const [first] = parents;
  if (first === undefined) return wishes;
  for (const namespace of places.filter(() => choose(2) > 0)) {
    const parent = parents[choose(parents.length)] ?? first;
    const mode = choose(2) > 0 ? 'bridge' : 'private';
    wishes.push(
      { kind: 'link', type: 'macvlan', namespace, name: 'mv0', up: true, parent, mode },
      {
        kind: 'address',
        namespace,
        link: 'mv0',
        address: `10.3.0.${2 + choose(3)}/24` as InterfaceAddress,
        adopt: false,
      },
    );
  }
  return wishes;
}

function endpointWishes(
  id: string,
  namespace: NamespaceName,
  master: string,
  routed: boolean,
  choose: (below: number) => number,
): Resource[] {
  const link = `eth-${id}`;
  const mac = parseMacAddress('02:00:00:00:00:01');
  const address = `10.0.0.${2 + choose(3)}/24` as InterfaceAddress;
  const wishes: Resource[] = [
    {
      kind: 'link',
      type: 'veth',
      namespace: 'host',
      name: `veth${id}`,
      up: true,
      master,
      isolated: choose(2) === 0,
      peer: { namespace, name: link, mac, mtu: 1500 },
    },
    { kind: 'address', namespace, link, address, adopt: false },
  ];
  const gateway = parseIpAddress('10.0.0.1');
  if (routed) wishes.push({ kind: 'route', namespace, destination: parsePrefix('0.0.0.0/0'), gateway, link });
  if (choose(2) === 0) {
    const hostAddress = parseIpAddress('0.0.0.0');
    const count = 1 + choose(2);
    const held = { kind: 'listener', purpose: 'reservation', namespace: 'host', protocol: 'tcp' } as const;
    wishes.push({ ...held, address: hostAddress, port: 8000, count });
  }
  return [...new Map(wishes.map((wish) => [resourceKey(wish), wish])).values()];
}

/** fast-check's numbers become choices; too few of them choose 0. */
const wishes = fc.array(fc.nat({ max: 5 }), { minLength: 40, maxLength: 80 }).map((numbers) => {
  let position = 0;
  return wishesFrom((below) => (numbers[position++] ?? 0) % below);
});

function asWished(resources: readonly Resource[]): Map<string, Wish> {
  const owner: Owner = 'host';
  return new Map(resources.map((resource) => [resourceKey(resource), { owner, resource }]));
}

function reach(world: World, resources: readonly Resource[]): PlanStep[] {
  const wished = asWished(resources);
  const plan = diff(world.observe(wished), wished);
  for (const step of plan) world.apply(step);
  return plan;
}

function assertReached(world: World, resources: readonly Resource[]): void {
  const wished = asWished(resources);
  const byKey = (a: Resource, b: Resource) => (resourceKey(a) < resourceKey(b) ? -1 : 1);
  const expected = [...wished.values()].map((wish) => wish.resource).sort(byKey);
  assert.deepEqual([...world.observe(wished).values()].sort(byKey), expected);
  assert.deepEqual(world.staleSockets(), []);
  assert.deepEqual(diff(world.observe(wished), wished), []);
}

test('property: from any state to any other, and then nothing is left to do', () => {
  fc.assert(
    fc.property(wishes, wishes, (first, second) => {
      const world = new World();
      reach(world, first);
      assertReached(world, first);
      reach(world, second);
      assertReached(world, second);
    }),
    { numRuns: 400 },
  );
});

test('property: whatever is lost or changed behind our back, the same state is reached again', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.boolean()), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(wishes, damage, (wanted, blows) => {
      const world = new World();
      reach(world, wanted);
      for (const [pick, remove] of blows) {
        const keys = [...world.things.keys()].filter((key) => !key.startsWith('listener'));
        const key = keys[pick % Math.max(1, keys.length)];
        const thing = key === undefined ? undefined : world.things.get(key);
        if (key === undefined || thing === undefined) continue;
        if (remove) world.remove(key);
        else if (thing.kind === 'link') world.things.set(key, { ...thing, up: false });
        else if (thing.kind === 'sysctl') world.things.set(key, { ...thing, value: 'broken' });
      }
      reach(world, wanted);
      assertReached(world, wanted);
    }),
    { numRuns: 400 },
  );
});

test('property: removals come first, the last made first; the rest in the order things rest on each other', () => {
  fc.assert(
    fc.property(wishes, wishes, (first, second) => {
      const world = new World();
      reach(world, first);
      const plan = reach(world, second);
      const turn = plan.findIndex((step) => step.action !== 'remove');
      const removals = (turn < 0 ? plan : plan.slice(0, turn)).map((step) => rank(step.resource));
      const others = (turn < 0 ? [] : plan.slice(turn)).map((step) => rank(step.resource));
      assert.ok(plan.slice(turn < 0 ? plan.length : turn).every((step) => step.action !== 'remove'));
      assert.deepEqual(
        removals,
        removals.toSorted((a, b) => b - a),
      );
      assert.deepEqual(
        others,
        others.toSorted((a, b) => a - b),
      );
    }),
  );
});

test('a veth whose birth was cut off is made anew with all it is told at birth; one that was only robbed of its mark gets it back', () => {
  const mac = parseMacAddress('02:00:00:00:00:01');
  const peer = { namespace: 'sandbox:a', name: 'eth0', mtu: 1500, mac } as const;
  const veth = {
    kind: 'link',
    type: 'veth',
    namespace: 'host',
    name: 'v',
    master: '',
    isolated: false,
    up: true,
  } as const;
  const wishes: Resource[] = [
    { kind: 'namespace', name: 'sandbox:a' },
    { ...veth, peer },
    { kind: 'sysctl', namespace: 'sandbox:a', path: 'net/ipv6/conf/eth0/disable_ipv6', value: '0' },
  ];
  const wished = new Map(wishes.map((resource) => [resourceKey(resource), { owner: 'endpoint:e', resource } as Wish]));
  const planFor = (seen: Partial<Resource>) => {
    const observed = new Map([...wished].map(([key, { resource }]) => [key, resource]));
    observed.set('link host v', { ...veth, peer, ...seen } as Resource);
    return diff(observed, wished).map(({ action, resource }) => `${action} ${resourceKey(resource)}`);
  };
  assert.deepEqual(planFor({}), []);
  assert.deepEqual(planFor({ marked: false }), ['update link host v']);
  assert.deepEqual(planFor({ marked: false, up: false }), [
    'remove link host v',
    'create link host v',
    'create sysctl sandbox:a net/ipv6/conf/eth0/disable_ipv6',
  ]);
});

test('a difference is told in words', () => {
  const wanted: Resource = {
    kind: 'link',
    type: 'bridge',
    namespace: 'host',
    name: 'br0',
    mtu: 1500,
    up: true,
    adopt: false,
  };
  const plan = diff(new Map([['link host br0', { ...wanted, mtu: 1400 }]]), asWished([wanted]));
  assert.deepEqual(
    plan.map((step) => [step.action, step.because]),
    [['update', 'mtu is 1400, wanted 1500']],
  );
});
