import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Core } from '../../src/engine/core.ts';
import { allocateEndpoints } from '../../src/engine/endpoints.ts';
import { enact } from '../../src/engine/intent.ts';
import { PortAllocator } from '../../src/engine/ports.ts';
import { State } from '../../src/engine/state.ts';
import { Ipam } from '../../src/ipam/ipam.ts';
import { parseIpAddress, parsePrefix } from '../../src/model/address.ts';
import type { Container } from '../../src/model/container.ts';
import { Store } from '../../src/store/store.ts';
import { PLAIN_SPEC } from '../plain-spec.ts';
import { Fixture, networkOf } from '../reconcile/fixture.ts';

const ENDPOINTS = 1_000;
const PUBLISHERS = 100;
const PORTS_EACH = 100;
const QUIET = { bridge: undefined, firewall: { ipv4: true, ipv6: true }, icc: true };

/** Milliseconds; the latter hold on a busy machine, too */
interface Cost {
  readonly clock: number;
  readonly processor: number;
}

/** All of the engine but what runs processes: containers here are sandboxes without one. */
class Simulation implements AsyncDisposable {
  readonly #fixture: Fixture;
  readonly #core: Core;

  private constructor(fixture: Fixture) {
    this.#fixture = fixture;
    const parts: Partial<Core> = {
      state: new State(Store.open(':memory:')),
      reconciler: fixture.reconciler,
      ipam: new Ipam({ pools: [] }),
      ports: new PortAllocator({ ephemeral: { first: 60_000, last: 60_999 }, hasIPv6: () => false }),
    };
    this.#core = { ...parts, config: { network: QUIET } } as unknown as Core;
  }

  static async create(): Promise<Simulation> {
    const simulation = new Simulation(await Fixture.create());
    const pool = { subnet: parsePrefix('10.1.0.0/16'), gateway: parseIpAddress('10.1.0.1'), auxiliary: {} };
    await enact(simulation.#core, { put: { networks: [{ ...networkOf(1), name: 'app', pools: [pool] }] } });
    return simulation;
  }

  /** As a start does it. @param first of the host ports that lead to ports of the same number @returns milliseconds, of the clock and of this process */
  async start(index: number, first = 0, count = 0): Promise<Cost> {
    const id = index.toString(16).padStart(12, '0').padEnd(64, '0');
    const portBindings = Array.from({ length: count }, (_, port) => ({
      protocol: 'tcp' as const,
      containerPort: first + port,
      hostAddress: parseIpAddress('0.0.0.0'),
      hostPorts: { first: first + 2 * port, last: first + 2 * port },
    }));
    const endpoints = [{ network: 'app', aliases: [], driverOptions: {}, gatewayPriority: 0 }];
    const spec = { ...PLAIN_SPEC, networkMode: { kind: 'network', name: 'app' }, endpoints, portBindings } as const;
    const sandbox = { id, namespace: `sandbox:${id.slice(0, 12)}`, resolver: true } as const;
    const container = {
      id,
      name: `box${index}`,
      spec,
      sandbox: id,
      state: { status: 'running' },
    } as unknown as Container;
    const [before, cpu] = [performance.now(), process.cpuUsage()];
    const allocated = allocateEndpoints(this.#core, container, id);
    await enact(this.#core, { put: { containers: [container], sandboxes: [sandbox], endpoints: allocated } });
    const { user, system } = process.cpuUsage(cpu);
    return { clock: performance.now() - before, processor: (user + system) / 1000 };
  }

  elements(): number {
    return Number(this.#fixture.sh("nft list map inet fairway port4_any | tr , '\\n' | grep -c ' : 10[.]'"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fixture[Symbol.asyncDispose]();
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function compare(costs: readonly Cost[], size: number): string {
  const told = (['clock', 'processor'] as const).map((which) => {
    const values = costs.map((cost) => cost[which]);
    const [first, last] = [median(values.slice(0, size)), median(values.slice(-size))];
    return `${which} ${first.toFixed(2)} ms : ${last.toFixed(2)} ms, ${(last / first).toFixed(2)} ×`;
  });
  return `first ${size} : last ${size}, ${told.join('; ')}`;
}

test(`${ENDPOINTS} endpoints on one network`, { timeout: 900_000 }, async (t) => {
  await using simulation = await Simulation.create();
  for (let index = 0; index < 20; index++) await simulation.start(10_000 + index);
  const times: Cost[] = [];
  for (let index = 0; index < ENDPOINTS; index++) {
    times.push(await simulation.start(index));
    // What the kernel tells is heard in between, as it would be.
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.diagnostic(`${compare(times, 100)} (bar 1.20 ×)`);
});

test(`${PUBLISHERS * PORTS_EACH} published ports`, { timeout: 900_000 }, async (t) => {
  await using simulation = await Simulation.create();
  await simulation.start(10_000, 1_000, 1);
  const times: Cost[] = [];
  for (let index = 0; index < PUBLISHERS; index++) {
    times.push(await simulation.start(index, 2_000 + 2 * PORTS_EACH * index, PORTS_EACH));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(simulation.elements(), PUBLISHERS * PORTS_EACH + 1, 'each has its element');
  t.diagnostic(`${PORTS_EACH} ports at a time: ${compare(times, 20)}`);
});
