import { closeSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bridge } from '../../src/drivers/bridge/bridge.ts';
import { describeSandbox } from '../../src/drivers/sandbox.ts';
import { NetworkNamespace, warmThreadPool } from '../../src/kernel/netns.ts';
import { interfaceAddress, parseIpAddress, parseMacAddress, parsePrefix } from '../../src/model/address.ts';
import type { Logger } from '../../src/model/logger.ts';
import type { DriverOptions, Endpoint, Network, PublishedPort, Sandbox } from '../../src/model/network.ts';
import { type NamespaceName, type Owner, type Resource, resourceKey } from '../../src/model/resource.ts';
import type { SocketKeeper } from '../../src/reconcile/listeners.ts';
import type { PlanStep } from '../../src/reconcile/plan.ts';
import { Reconciler } from '../../src/reconcile/reconciler.ts';
import { plainNetwork } from '../plain-network.ts';
import { WaitingShell } from './waiting-shell.ts';

export type Wishes = Map<Owner, readonly Resource[]>;

/** A network namespace of the test's own that plays the host, and a reconciler that works on it. */
export class Fixture implements AsyncDisposable {
  /** On tmpfs, as /run is: ext4 looks at every inode that was freed in the last seconds before it gives out another */
  readonly #directory = mkdtempSync('/dev/shm/fairway-reconcile-');
  readonly #homePath = join(this.#directory, 'home');
  readonly #shell = new WaitingShell();
  readonly home: NetworkNamespace;
  readonly lines: string[] = [];
  readonly steps: [string, number][] = [];
  readonly served: NamespaceName[] = [];
  /** Processes in sandboxes */
  readonly pids = new Map<NamespaceName, number>();
  /** Sandboxes with somebody who may set up the network */
  readonly selfMade = new Set<NamespaceName>();
  /** Of reconcilers that are opened from now on */
  keeper: SocketKeeper | undefined;
  reconciler: Reconciler;

  private constructor() {
    this.home = NetworkNamespace.create(this.#homePath);
    this.sh('ip link set lo up');
    this.reconciler = this.open();
  }

  static async create(): Promise<Fixture> {
    await warmThreadPool();
    const fixture = new Fixture();
    await fixture.reconciler.restore(new Map());
    return fixture;
  }

  get execRoot(): string {
    return join(this.#directory, 'run');
  }

  /** A reconciler as the daemon opens it at its start; the caller restores it. */
  open(): Reconciler {
    mkdirSync(this.execRoot, { recursive: true });
    const line = (message: string) => void this.lines.push(message);
    const logger: Logger = { debug: line, info: line, warn: line, error: line };
    return Reconciler.open({
      execRoot: this.execRoot,
      logger,
      home: this.home,
      occupants: {
        pidIn: (sandbox) => this.pids.get(sandbox),
        maySetUp: (sandbox) => this.selfMade.has(sandbox),
      },
      trace: (step, milliseconds) => void this.steps.push([step, milliseconds]),
      resolver: (namespace, sockets) => this.#serve(namespace, sockets),
      ...(this.keeper === undefined ? {} : { keeper: this.keeper }),
    });
  }

  #serve(namespace: NamespaceName, sockets: { udp: number; tcp: number }): Disposable {
    this.served.push(namespace);
    return {
      [Symbol.dispose]: () => {
        this.served.splice(this.served.indexOf(namespace), 1);
        closeSync(sockets.udp);
        closeSync(sockets.tcp);
      },
    };
  }

  /** The daemon is killed and started: memory and sockets are lost, the kernel is as it was. */
  async restart(wishes: ReadonlyMap<Owner, readonly Resource[]>): ReturnType<Reconciler['restore']> {
    await this.reconciler.close();
    this.reconciler = this.open();
    return this.reconciler.restore(wishes);
  }

  /** Runs a command on the "host". */
  sh(command: string): string {
    return this.#run(this.#homePath, command);
  }

  /** Runs a command in a sandbox. */
  inside(namespace: NamespaceName, command: string): string {
    return this.#run(this.reconciler.sandboxPath(namespace), command);
  }

  /** Whether a packet gets there and its answer back: a closed port that refuses proves it. @param patience seconds */
  reaches(from: NamespaceName, address: string, patience = 30): boolean {
    // Asked again: while a new link is without its carrier there is "no route".
    const refused = `until [[ $({ : </dev/tcp/${address}/9; } 2>&1) == *refused* ]]; do sleep 0.1; done; echo refused`;
    const probe = `timeout ${patience} bash -c '${refused}' || true`;
    return /refused/.test(from === 'host' ? this.sh(probe) : this.inside(from, probe));
  }

  #run(path: string, command: string): string {
    return this.#shell.run('nsenter', `--net=${path}`, 'sh', '-ec', command);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reconciler.restore(new Map());
    await this.reconciler.settled();
    await this.reconciler.close();
    this.home[Symbol.dispose]();
    NetworkNamespace.unpin(this.#homePath);
    rmSync(this.#directory, { recursive: true });
    this.#shell[Symbol.dispose]();
  }
}

export function sandboxOf(digit: string, resolver = false): Sandbox {
  const id = digit.repeat(64);
  return { id, namespace: `sandbox:${id}`, resolver };
}

/** A bridge network with 10.<number>.0.0/24. */
export function networkOf(number: number, driverOptions: DriverOptions = {}): Network<ReturnType<typeof bridge.parse>> {
  return plainNetwork(`net${number}`, bridge.parse(driverOptions), {
    id: number.toString(16).padStart(12, '0').padEnd(64, '0'),
    pools: [{ subnet: parsePrefix(`10.${number}.0.0/24`), gateway: parseIpAddress(`10.${number}.0.1`), auxiliary: {} }],
    driverOptions,
  });
}

export interface Attachment {
  readonly network: Network<ReturnType<typeof bridge.parse>>;
  readonly sandbox: Sandbox;
  /** Last byte of the address */
  readonly host: number;
  readonly interfaceName?: string;
  readonly gateway?: boolean;
  readonly mac?: string;
  readonly ports?: readonly PublishedPort[];
}

export function endpointOf({ network, sandbox, host, ...rest }: Attachment): Endpoint {
  const [pool] = network.pools;
  const subnet = (pool?.subnet ?? '').replace('.0/24', '');
  return {
    id: `${host.toString(16).padStart(2, '0')}${network.id.slice(9, 12)}${sandbox.id}`.slice(0, 64),
    network: network.id,
    sandbox: sandbox.id,
    container: sandbox.id,
    interfaceName: rest.interfaceName ?? 'eth0',
    mac: parseMacAddress(rest.mac ?? `02:00:00:00:00:${host.toString(16).padStart(2, '0')}`),
    addresses: [interfaceAddress(parseIpAddress(`${subnet}.${host}`), 24)],
    gateways: rest.gateway === false || pool?.gateway === undefined ? [] : [pool.gateway],
    ports: rest.ports ?? [],
  };
}

/** What the engine would commit for these. */
export function wishesOf(...attachments: readonly Attachment[]): Wishes {
  const wishes: Wishes = new Map();
  for (const attachment of attachments) {
    const { network, sandbox } = attachment;
    const endpoint = endpointOf(attachment);
    wishes.set(`network:${network.id}`, bridge.network(network));
    wishes.set(`sandbox:${sandbox.id}`, describeSandbox(sandbox));
    wishes.set(`endpoint:${endpoint.id}`, bridge.endpoint(network, endpoint, sandbox));
  }
  return wishes;
}

/** All wishes but those of these owners. */
export function but(wishes: Wishes, owners: RegExp): Wishes {
  return new Map([...wishes].filter(([owner]) => !owners.test(owner)));
}

/** The same owners, wishing nothing. */
export function gone(wishes: ReadonlyMap<Owner, unknown>, except: RegExp = /^$/): Wishes {
  return new Map([...wishes.keys()].filter((owner) => !except.test(owner)).map((owner) => [owner, []]));
}

export function told(steps: readonly PlanStep[]): string[] {
  return steps.map(({ action, resource }) => `${action} ${resourceKey(resource)}`);
}
