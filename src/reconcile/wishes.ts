import { addressOf, type IpAddress, type MacAddress } from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import { isChild, isShared, type NamespaceName, type Owner, type Resource, resourceKey } from '../model/resource.ts';
import { linkOfSysctl } from './foundation.ts';

/** A resource and who wishes it. */
export interface Wish {
  readonly owner: Owner;
  readonly resource: Resource;
}

export type Changes = ReadonlyMap<Owner, readonly Resource[]>;

/** What shall exist: by owner, and by key. No two owners wish the same thing, unless it is one that is shared. */
export class Wishes {
  readonly #byOwner = new Map<Owner, readonly Resource[]>();
  readonly #byKey = new Map<string, Wish>();
  /** Of what is shared: who wishes it besides the one in `#byKey` */
  readonly #sharers = new Map<string, readonly Wish[]>();
  /** Keys of what hangs from a link of the host, by the link's name */
  readonly #hanging = new Groups<string>();
  /** Keys of the host's settings, by the link they belong to; '' for those of no link */
  readonly #settings = new Groups<string>();
  /** Keys of what is in a sandbox or has an end there */
  readonly #inside = new Groups<NamespaceName>();
  /** Keys of the links that have a MAC address, or an end with it, and of IP addresses */
  readonly #holders = new Groups<MacAddress | IpAddress>();

  get owners(): Changes {
    return this.#byOwner;
  }

  get keys(): ReadonlyMap<string, Wish> {
    return this.#byKey;
  }

  /** The wishes of these owners alone, without what others wish as well. */
  of(owners: Iterable<Owner>): Map<string, Wish> {
    const wishes = new Map<string, Wish>();
    const named = new Set(owners);
    for (const owner of named) {
      for (const resource of this.#byOwner.get(owner) ?? []) {
        if (!this.isWishedBeside(named, resource)) wishes.set(resourceKey(resource), { owner, resource });
      }
    }
    return wishes;
  }

  /** Whether somebody else than these owners wishes it. */
  isWishedBeside(owners: { has(owner: Owner): boolean }, resource: Resource): boolean {
    if (!isShared(resource)) return false;
    const key = resourceKey(resource);
    const holders = [this.#byKey.get(key), ...(this.#sharers.get(key) ?? [])];
    return holders.some((wish) => wish !== undefined && !owners.has(wish.owner));
  }

  /** Whether something hangs from the host's link of this name. */
  isParent(link: string): boolean {
    return this.#hanging.has(link);
  }

  /** Sandboxes with links that hang from these links of the host. */
  sandboxesOn(parents: 'all' | ReadonlySet<string>): Set<NamespaceName> {
    const sandboxes = new Set<NamespaceName>();
    for (const parent of parents === 'all' ? this.#hanging.names() : parents) {
      for (const { resource } of this.#found(this.#hanging.of(parent))) {
        if (resource.kind === 'link' && resource.namespace !== 'host') sandboxes.add(resource.namespace);
      }
    }
    return sandboxes;
  }

  /** Links of the host that have settings; '' where some belong to none. */
  get linksWithSettings(): string[] {
    return this.#settings.names();
  }

  /** Settings of a link of the host; with '', those that belong to none. */
  settingsOf(link: string): Wish[] {
    return this.#found(this.#settings.of(link));
  }

  get sandboxes(): NamespaceName[] {
    return this.#inside.names();
  }

  /** What is in a sandbox, and links that have an end there. */
  inside(sandbox: NamespaceName): Wish[] {
    return this.#found(this.#inside.of(sandbox));
  }

  /** Links with this MAC address at one of their ends; or wishes of this IP address. */
  holdersOf(address: MacAddress | IpAddress): Wish[] {
    return this.#found(this.#holders.of(address));
  }

  #found(keys: Iterable<string>): Wish[] {
    return Array.from(keys).flatMap((key) => this.#byKey.get(key) ?? []);
  }

  /**
   * Replaces what these owners wish.
   * @returns what they wished before, to be given back to `replace` when the change fails
   * @throws EngineError conflict when somebody wishes the same thing already; then nothing is changed
   */
  replace(changes: Changes): Changes {
    this.#check(changes);
    const before = new Map<Owner, readonly Resource[]>();
    for (const owner of changes.keys()) {
      before.set(owner, this.#byOwner.get(owner) ?? []);
      for (const resource of this.#byOwner.get(owner) ?? []) this.#drop({ owner, resource });
    }
    for (const [owner, resources] of changes) {
      if (resources.length === 0) this.#byOwner.delete(owner);
      else this.#byOwner.set(owner, resources);
      for (const resource of resources) this.#add({ owner, resource });
    }
    return before;
  }

  #add(wish: Wish): void {
    const { resource } = wish;
    const key = resourceKey(resource);
    if (this.#byKey.has(key)) this.#sharers.set(key, [...(this.#sharers.get(key) ?? []), wish]);
    else this.#byKey.set(key, wish);
    this.#group(resource, (groups, name) => groups.add(name, key));
  }

  /** The next one who wishes it, if any, takes the place of the owner. */
  #drop({ owner, resource }: Wish): void {
    const key = resourceKey(resource);
    const others = (this.#sharers.get(key) ?? []).filter((wish) => wish.owner !== owner);
    const first = this.#byKey.get(key);
    const [heir, ...rest] = first === undefined || first.owner === owner ? others : [first, ...others];
    if (rest.length === 0) this.#sharers.delete(key);
    else this.#sharers.set(key, rest);
    if (heir === undefined) this.#forget(key, resource);
    else this.#byKey.set(key, heir);
  }

  #forget(key: string, resource: Resource): void {
    this.#byKey.delete(key);
    this.#group(resource, (groups, name) => groups.delete(name, key));
  }

  /** Calls `put` for each group the resource belongs to. */
  #group(resource: Resource, put: <N extends string>(groups: Groups<N>, name: N) => void): void {
    const parent = parentOf(resource);
    if (parent !== undefined) put(this.#hanging, parent);
    if (resource.kind === 'sysctl' && resource.namespace === 'host') {
      put(this.#settings, linkOfSysctl(resource.path) ?? '');
    }
    for (const address of addressesOf(resource)) put(this.#holders, address);
    for (const sandbox of sandboxesOf(resource)) put(this.#inside, sandbox);
  }

  #check(changes: Changes): void {
    const claimed = new Map<string, Owner>();
    for (const [owner, resources] of changes) {
      for (const resource of resources) {
        const key = resourceKey(resource);
        const holder = claimed.get(key) ?? this.#byKey.get(key)?.owner;
        const held = holder !== undefined && (claimed.has(key) || !changes.has(holder));
        if (held && !isShared(resource)) throw taken(resource, holder);
        claimed.set(key, owner);
      }
    }
  }
}

/** Keys under names; a name without keys is none. */
class Groups<N extends string> {
  readonly #keys = new Map<N, Set<string>>();

  has(name: N): boolean {
    return this.#keys.has(name);
  }

  names(): N[] {
    return [...this.#keys.keys()];
  }

  of(name: N): Iterable<string> {
    return this.#keys.get(name) ?? [];
  }

  add(name: N, key: string): void {
    const keys = this.#keys.get(name) ?? new Set();
    this.#keys.set(name, keys.add(key));
  }

  delete(name: N, key: string): void {
    const keys = this.#keys.get(name);
    keys?.delete(key);
    if (keys?.size === 0) this.#keys.delete(name);
  }
}

function addressesOf(resource: Resource): (MacAddress | IpAddress)[] {
  if (resource.kind === 'address') return [addressOf(resource.address)];
  if (resource.kind !== 'link') return [];
  return [resource.mac, resource.type === 'veth' ? resource.peer.mac : undefined].filter((mac) => mac !== undefined);
}

/** What these owners wish, by key. @param counts for which of it */
export function resourcesIn(changes: Changes, counts: (resource: Resource) => boolean): Map<string, Resource> {
  return new Map(
    [...changes.values()]
      .flat()
      .filter(counts)
      .map((resource) => [resourceKey(resource), resource]),
  );
}

/** The sandboxes in which a part of the resource is. */
export function sandboxesOf(resource: Resource): NamespaceName[] {
  if (resource.kind === 'firewall' || resource.kind === 'passage') return [];
  if (resource.kind === 'namespace') return [resource.name];
  const ends = resource.kind === 'link' && resource.type === 'veth' ? [resource.peer.namespace] : [];
  return [resource.namespace, ...ends].filter((name) => name !== 'host');
}

/** The link of the host that the resource cannot be without, when it is not one of its own kind of wish. */
function parentOf(resource: Resource): string | undefined {
  if (resource.kind === 'parent') return resource.link;
  return isChild(resource) ? resource.parent : undefined;
}

function taken(resource: Resource, holder: Owner): EngineError {
  if (resource.kind === 'listener' && resource.purpose === 'reservation') {
    const { address, port } = resource;
    return new EngineError('internal', `Bind for ${address}:${port} failed: port is already allocated`);
  }
  if (resource.kind === 'link' && resource.type === 'bridge') {
    return new EngineError('forbidden', `networks have same bridge name: ${resource.name} belongs to ${holder}`);
  }
  return new EngineError('conflict', `Cannot wish ${resourceKey(resource)}: it belongs to ${holder}`);
}
