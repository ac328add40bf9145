import { EngineError } from '../model/errors.ts';
import { type Owner, type Resource, resourceKey } from '../model/resource.ts';

/** A resource and who wishes it. */
export interface Wish {
  readonly owner: Owner;
  readonly resource: Resource;
}

export type Changes = ReadonlyMap<Owner, readonly Resource[]>;

/** What shall exist: by owner, and by key. No two owners wish the same thing. */
export class Wishes {
  readonly #byOwner = new Map<Owner, readonly Resource[]>();
  readonly #byKey = new Map<string, Wish>();

  get owners(): Changes {
    return this.#byOwner;
  }

  get keys(): ReadonlyMap<string, Wish> {
    return this.#byKey;
  }

  /** The wishes of these owners alone. */
  of(owners: Iterable<Owner>): Map<string, Wish> {
    const wishes = new Map<string, Wish>();
    for (const owner of owners) {
      for (const resource of this.#byOwner.get(owner) ?? []) wishes.set(resourceKey(resource), { owner, resource });
    }
    return wishes;
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
      for (const resource of this.#byOwner.get(owner) ?? []) this.#byKey.delete(resourceKey(resource));
    }
    for (const [owner, resources] of changes) {
      if (resources.length === 0) this.#byOwner.delete(owner);
      else this.#byOwner.set(owner, resources);
      for (const resource of resources) this.#byKey.set(resourceKey(resource), { owner, resource });
    }
    return before;
  }

  #check(changes: Changes): void {
    const claimed = new Map<string, Owner>();
    for (const [owner, resources] of changes) {
      for (const resource of resources) {
        const key = resourceKey(resource);
        const holder = claimed.get(key) ?? this.#byKey.get(key)?.owner;
        if (holder !== undefined && (claimed.has(key) || !changes.has(holder))) throw taken(resource, holder);
        claimed.set(key, owner);
      }
    }
  }
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
