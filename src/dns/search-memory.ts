import type { NamespaceName } from '../model/resource.ts';

/** Milliseconds in which a client that goes on with its search list does so */
const WINDOW = 5_000;
/** Names of one sandbox that are remembered; the oldest are forgotten */
const MAX_NAMES = 64;

/**
 * Names that were just answered empty. A client that does not find an AAAA record of "web" goes on with "web.lan.test", as its
 * search list says; asked elsewhere, that is a name of ours told to strangers, a wait, and with a wildcard record an address
 * that is not web's. Only what follows upon an empty answer is taken for such a step: who asks for "git.lan.test" because he
 * means it gets the real one, also where a container is called "git".
 */
export class SearchMemory {
  readonly #names = new Map<NamespaceName, Map<string, number>>();

  /** "web" has no record of that type. */
  noteEmpty(namespace: NamespaceName, name: string, type: number): void {
    const names = this.#names.get(namespace) ?? new Map<string, number>();
    if (names.size === 0) this.#names.set(namespace, names);
    const key = `${type} ${name}`;
    names.delete(key);
    names.set(key, Date.now() + WINDOW);
    if (names.size <= MAX_NAMES) return;
    for (const oldest of names.keys()) {
      names.delete(oldest);
      return;
    }
  }

  /** Whether it is a name that was just answered empty, with one of the domains behind it. */
  isStep(namespace: NamespaceName, name: string, type: number, search: readonly string[]): boolean {
    const names = this.#names.get(namespace);
    if (names === undefined) return false;
    return search.some((domain) => {
      if (domain === '' || !name.endsWith(`.${domain}`)) return false;
      const until = names.get(`${type} ${name.slice(0, -domain.length - 1)}`);
      return until !== undefined && until > Date.now();
    });
  }

  forget(namespace: NamespaceName): void {
    this.#names.delete(namespace);
  }
}
