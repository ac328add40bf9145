import { join } from 'node:path';
import { NetworkNamespace } from '../kernel/netns.ts';
import { LinkBin } from '../kernel/trash.ts';
import type { AddressFamily } from '../model/address.ts';
import { errorMessage, KernelError } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import type { FirewallMark } from '../model/network.ts';
import type { RunProgram } from '../model/program.ts';
import type { NamespaceName, Owner, ResolverListener, Resource } from '../model/resource.ts';
import { Announcer } from './announcer.ts';
import { diff } from './diff.ts';
import { Executor } from './executor.ts';
import { FirewallApplier } from './firewall/applier.ts';
import { Glance } from './glance.ts';
import { Listeners, type ResolverSockets, type SocketKeeper } from './listeners.ts';
import { haveAll, isTrash } from './marks.ts';
import { Mender, type Outcome } from './mender.ts';
import { Neighbours } from './neighbours.ts';
import { EVERYTHING, Observer, type Scope, touched } from './observer.ts';
import { SwitchPorts } from './openvswitch/switch-ports.ts';
import { PassageApplier } from './passage/applier.ts';
import type { Knock, Verdict } from './passage/verdict.ts';
import { Places } from './places.ts';
import type { PlanStep, Repair } from './plan.ts';
import { PortSecurityApplier } from './port-security/applier.ts';
import { RepairBook, type Repairs } from './repairs.ts';
import type { Suspicion } from './suspects.ts';
import { Watch } from './watch.ts';
import { Wires } from './wires.ts';
import { type Changes, resourcesIn, Wishes } from './wishes.ts';

export interface ReconcilerOptions {
  /** Sandboxes are pinned in its directory "netns" */
  readonly execRoot: string;
  readonly logger: Logger;
  /** Socket of Open vSwitch's database; /run/openvswitch/db.sock unless told */
  readonly openVswitch?: string;
  /** Of our nftables table; "fairway" unless told */
  readonly tableName?: string;
  /** Packets with it may go to every port of a bridge network that is not internal */
  readonly acceptMark?: FirewallMark;
  /** What is called the host; the daemon's own namespace unless told */
  readonly home?: NetworkNamespace;
  /** Runs a program of the host: iptables alone can change rules of iptables */
  readonly run?: RunProgram;
  readonly occupants?: Occupants;
  /** Told how long each step of every change took */
  readonly trace?: (step: string, milliseconds: number) => void;
  /** Called when a sandbox's resolver sockets are open, which it owns from then on; disposed when they must close */
  resolver(namespace: NamespaceName, sockets: ResolverSockets): Disposable;
  /** Keeps resolvers' sockets for the next daemon; unless told, they end with this one */
  readonly keeper?: SocketKeeper;
}

/** As Debian and Fedora have it (ovsdb-server(1)). */
const OPEN_VSWITCH = '/run/openvswitch/db.sock';
/** Whoever gives no way to run programs has no iptables. */
const NO_PROGRAMS: RunProgram = () => ({ status: null, stdout: '', stderr: 'programs cannot be run' });

/** Milliseconds before what could not be read is read again. */
const RETRY = 1000;

/** Who is in sandboxes. */
export interface Occupants {
  /** A process in the sandbox, as the daemon counts */
  pidIn(sandbox: NamespaceName): number | undefined;
  /** Whether somebody in it may set up the network: what he makes of it is his own affair */
  maySetUp(sandbox: NamespaceName): boolean;
}

const NOBODY: Occupants = { pidIn: () => undefined, maySetUp: () => false };

/**
 * Makes the kernel agree with what is wished, and keeps it so. All work on the kernel is synchronous, so that changes of
 * different owners never see each other half-done, and none waits for another.
 */
export class Reconciler {
  readonly #logger: Logger;
  readonly #wishes = new Wishes();
  readonly #book: RepairBook;
  readonly #places: Places;
  readonly #bin: LinkBin;
  readonly #wires: Wires;
  readonly #announcer: Announcer;
  readonly #listeners: Listeners;
  readonly #firewall: FirewallApplier;
  readonly #passages: PassageApplier;
  readonly #portSecurity: PortSecurityApplier;
  readonly #neighbours: Neighbours;
  readonly #observer: Observer;
  readonly #executor: Executor;
  readonly #mender: Mender;
  readonly #glance: Glance;
  readonly #occupants: Occupants;
  #watch: Watch | undefined;

  /**
   * `restore` comes first: before, what is wished is not known, and nothing is watched or called garbage.
   * @throws KernelError when the namespaces' directory, netlink or nftables cannot be used
   */
  static open(options: ReconcilerOptions): Reconciler {
    return new Reconciler(options);
  }

  private constructor(options: ReconcilerOptions) {
    const { logger, home = NetworkNamespace.home(), trace = () => undefined, occupants = NOBODY } = options;
    this.#logger = logger;
    this.#book = new RepairBook(logger);
    this.#occupants = occupants;
    this.#places = new Places(join(options.execRoot, 'netns'), home);
    this.#bin = new LinkBin({ logger, namespace: home });
    this.#wires = new Wires(this.#wishes, this.#places.host);
    this.#announcer = new Announcer(this.#places);
    this.#listeners = new Listeners(this.#places, options.resolver, options.keeper);
    this.#firewall = new FirewallApplier(options.tableName ?? 'fairway', home, options.acceptMark);
    this.#portSecurity = new PortSecurityApplier(options.tableName ?? 'fairway', home);
    const switchPorts = new SwitchPorts(this.#places, options.openVswitch ?? OPEN_VSWITCH);
    const { run = NO_PROGRAMS } = options;
    const own = new Set([...this.#firewall.tables].flatMap((table) => [table, `${table}-admin`]));
    this.#passages = new PassageApplier({ namespace: home, logger, own, run });
    this.#neighbours = new Neighbours(this.#places, this.#wishes);
    this.#observer = new Observer(
      this.#places,
      this.#listeners,
      this.#firewall,
      switchPorts,
      this.#passages,
      this.#portSecurity,
      this.#neighbours,
      occupants.pidIn,
    );
    this.#glance = new Glance(this.#places, this.#wishes);
    this.#executor = new Executor({
      places: this.#places,
      bin: this.#bin,
      listeners: this.#listeners,
      firewall: this.#firewall,
      switchPorts,
      passages: this.#passages,
      portSecurity: this.#portSecurity,
      neighbours: this.#neighbours,
      announcer: this.#announcer,
      wires: this.#wires,
      trace,
      find: (key) => this.#wishes.keys.get(key)?.resource,
      occupant: occupants.pidIn,
    });
    this.#mender = new Mender(this.#wishes, this.#observer, this.#executor);
  }

  /**
   * Replaces what these owners wish ([] = gone) and makes the kernel agree. The kernel is not read before; where it turns
   * out to be different than believed, it is, and what differs is mended. On failure the former wishes are back, and the
   * kernel is led back to them.
   * @throws EngineError (PortUnavailable, conflict), or KernelError in the kernel's words
   */
  async commit(changes: Changes): Promise<void> {
    const before = this.#wishes.replace(changes);
    try {
      this.#make(before, changes);
    } catch (error) {
      this.#wishes.replace(before);
      this.#retryIn(this.#book.noteFailures(this.#mender.mend(touched(before, changes))));
      throw error;
    }
  }

  #make(before: Changes, changes: Changes): void {
    const owned = resourcesIn(before, (resource) => !this.#wishes.isWishedBeside(changes, resource));
    const plan = diff(owned, this.#wishes.of(changes.keys()));
    try {
      this.#executor.run(plan, false);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      const outcomes = this.#mender.mend(touched(before, changes));
      const own = outcomes.find(({ step, failure }) => failure !== undefined && step.owner && changes.has(step.owner));
      if (own !== undefined) throw own.failure;
      this.#tell(outcomes.filter(({ step }) => step.owner === undefined || !changes.has(step.owner)));
      // What a sandbox says of its own settings is not read: they are written in any case.
      this.#executor.run(
        plan.filter(({ action, resource }) => action !== 'remove' && resource.kind === 'sysctl'),
        true,
      );
    }
  }

  /** Answers what sandboxes ask, on the sockets of a former daemon, before `restore` has looked at anything. */
  resume(resolvers: Iterable<ResolverListener>): void {
    this.#listeners.resume(resolvers);
  }

  /**
   * Takes these wishes as given (start of the daemon), reads everything, mends what differs, removes what carries our mark
   * and nobody wishes, and watches from then on. What cannot be mended is told in the repair's `error` and tried again.
   * Where the host has the links it should, sandboxes have gone on as they were: what is inside is read soon after.
   */
  async restore(desired: Changes): Promise<Repair[]> {
    const nothing = [...this.#wishes.owners.keys()].map((owner) => [owner, []] as const);
    this.#wishes.replace(new Map<Owner, readonly Resource[]>([...nothing, ...desired]));
    this.#places.sweep();
    const links = this.#places.host.links();
    if (links.some(isTrash)) this.#bin.discard();
    this.#watch ??= this.#startWatch();
    this.#mender.removesGarbage = true;
    const later = haveAll(links, this.#wishes.keys) ? this.#mendable(this.#wishes.sandboxes) : [];
    const sandboxes = new Set(this.#wishes.sandboxes).difference(new Set(later));
    for (const sandbox of sandboxes) this.#listeners.prove(sandbox);
    const outcomes = this.#mender.mend({ ...EVERYTHING, sandboxes, neighbours: new Set(['host', ...sandboxes]) });
    this.#watch.lookInside(later);
    this.#listeners.settle();
    this.#retryIn(this.#book.noteFailures(outcomes));
    return outcomes.map(asRepair);
  }

  /** Reads and mends everything, as after a kernel event. */
  async reconcile(): Promise<Repair[]> {
    const outcomes = this.#mender.mend(EVERYTHING);
    this.#tell(outcomes);
    return outcomes.map(asRepair);
  }

  /** What the host's own firewall would say of packets to its ports, if they were not led to containers. */
  hostInput(family: AddressFamily): (knock: Knock) => Verdict {
    return this.#passages.hostInput(family);
  }

  /** What reconcile() would do now. */
  plan(): PlanStep[] {
    return this.#mender.plan(EVERYTHING);
  }

  desired(): Changes {
    return this.#wishes.owners;
  }

  get repairs(): Repairs {
    return this.#book.repairs;
  }

  /** Packets that the firewall has dropped since its table was made, by the reason. */
  drops(): Readonly<Record<string, number>> {
    return { ...this.#firewall.drops(), ...this.#portSecurity.drops() };
  }

  /** Resolves when background deletions are finished and what the kernel told has been looked at. */
  async settled(): Promise<void> {
    await this.#watch?.idle();
    await this.#bin.idle();
    await this.#watch?.idle();
  }

  /** <execRoot>/netns/<12 hexadecimal digits> */
  sandboxPath(namespace: NamespaceName): string {
    return this.#places.path(namespace);
  }

  /** The namespace that a sandbox shall be when it is created, in place of a new one of the host's. Disposed of when it was, or never will be. */
  provideNamespace(name: NamespaceName, namespace: NetworkNamespace): Disposable {
    return this.#places.provide(name, namespace);
  }

  /** Takes away all that this or an earlier daemon made in the kernel, but for sysctls. Nothing may be wished afterwards. */
  async clear(): Promise<void> {
    this.#watch?.[Symbol.dispose]();
    this.#watch = undefined;
    await this.commit(new Map([...this.#wishes.owners.keys()].map((owner) => [owner, []])));
    await this.#bin.idle();
    this.#firewall.clear();
    this.#portSecurity.clear();
  }

  /** Stops watching and closes what the daemon holds. The kernel stays as it is. */
  async close(): Promise<void> {
    this.#watch?.[Symbol.dispose]();
    this.#announcer.close();
    this.#listeners.close();
    await this.#bin.close();
    this.#firewall[Symbol.dispose]();
    this.#passages[Symbol.dispose]();
    this.#portSecurity[Symbol.dispose]();
    this.#places.close();
  }

  #startWatch(): Watch {
    const { host } = this.#places;
    return new Watch({
      namespace: host.namespace,
      wires: this.#wires,
      tables: this.#firewall.tables,
      unwatched: () => this.#passages.unwatched,
      nameOf: (index) => {
        const name = host.knownName(index);
        const ours = name !== undefined && (this.#wishes.keys.has(`link host ${name}`) || this.#wishes.isParent(name));
        return ours ? name : undefined;
      },
      isParent: (name) => this.#wishes.isParent(name),
      sandboxOf: (number) => this.#places.numbered(number),
      sandboxes: () => this.#wishes.sandboxes,
      isWrong: (neighbour, where) => this.#neighbours.isWrong(neighbour, where),
      isMissed: (neighbour) => this.#neighbours.isMissed(neighbour),
      linksWithSettings: () => this.#wishes.linksWithSettings,
      settingsOf: (link) =>
        this.#wishes.settingsOf(link).flatMap(({ resource }) => (resource.kind === 'sysctl' ? [resource.path] : [])),
      look: (suspicion) => this.#lookSafely(suspicion),
    });
  }

  /** Nobody waits for this, so nobody can be told but the log. */
  #lookSafely(suspicion: Suspicion): number | undefined {
    try {
      return this.#look(suspicion);
    } catch (error) {
      this.#logger.error(`network cannot be read: ${errorMessage(error)}`, { retryInMs: RETRY });
      return RETRY;
    }
  }

  /** @returns in how many milliseconds to look again, when something had to wait or could not be mended */
  #look(told: Suspicion): number | undefined {
    const { firewall, passages, parents, settings } = told;
    const sandboxes = this.#mendable(told.sandboxes);
    for (const sandbox of this.#mendable(told.resolvers)) this.#listeners.doubt(sandbox);
    const unled = sandboxes.filter((sandbox) => !this.#listeners.prove(sandbox));
    const suspicion = { ...told, resolvers: new Set([...told.resolvers, ...unled]) };
    if (this.#isUnfounded(suspicion, sandboxes)) return this.#soonestReady(suspicion.links);
    const { waiting } = this.#book;
    const scope: Scope = {
      sandboxes: new Set([...sandboxes, ...waiting.sandboxes, ...this.#wishes.sandboxesOn(parents)]),
      firewall,
      passages,
      settings: new Set([...settings, ...waiting.settings]),
      neighbours: new Set([...this.#mendable(suspicion.neighbours), ...waiting.neighbours]),
    };
    const now = performance.now();
    const admission = this.#book.admission(now);
    const outcomes = this.#mender.mend(scope, admission.admit);
    // As long as they could not be found, what was done inside could not be seen.
    this.#watch?.lookInside(
      outcomes.flatMap(({ step: { resource } }) => (resource.kind === 'namespace' ? resource.name : [])),
    );
    const retry = this.#book.note(outcomes, true);
    const next = admission.next();
    return next === undefined ? retry : Math.min(retry ?? Number.POSITIVE_INFINITY, next - now);
  }

  /** Looks at the suspects alone. */
  #isUnfounded(
    { links, host, firewall, passages, settings, pins, resolvers, neighbours }: Suspicion,
    sandboxes: readonly NamespaceName[],
  ): boolean {
    if (host || firewall || passages || resolvers.size > 0) return false;
    // What waits is looked at when its time has come: somebody who fights back sends many events.
    const suspects = [...links].filter((link) => this.#readyIn(link) === 0);
    return (
      this.#glance.linksAreWhole(suspects) &&
      this.#glance.settingsAreWhole(settings) &&
      this.#glance.sandboxesAreWhole(sandboxes) &&
      this.#neighbours.areRight(this.#mendable(neighbours)) &&
      this.#glance.pinsAreWhole(pins)
    );
  }

  /** Of what was not looked at. @returns milliseconds; undefined: all was */
  #soonestReady(links: ReadonlySet<string>): number | undefined {
    const waits = [...links].map((link) => this.#readyIn(link)).filter((wait) => wait > 0);
    return waits.length === 0 ? undefined : Math.min(...waits);
  }

  /** Milliseconds */
  #readyIn(link: string): number {
    return this.#book.readyIn(`link host ${link}`);
  }

  #mendable(places: Iterable<NamespaceName>): NamespaceName[] {
    return Array.from(places).filter((place) => place === 'host' || !this.#occupants.maySetUp(place));
  }

  #tell(outcomes: readonly Outcome[]): void {
    this.#retryIn(this.#book.note(outcomes, false));
  }

  #retryIn(milliseconds: number | undefined): void {
    if (milliseconds !== undefined) this.#watch?.lookAgain(milliseconds);
  }
}

function asRepair({ step, failure }: Outcome): Repair {
  return failure === undefined ? step : { ...step, error: errorMessage(failure) };
}
