import { type FirewallResource, resourceKey } from '../../model/resource.ts';
import { type Element, elementId } from './element.ts';
import { compile } from './meaning.ts';

/** What a change does to the table. */
export interface ElementChange {
  readonly remove: readonly Element[];
  readonly add: readonly Element[];
  /** Forgets the change: the wish is again as it was */
  undo(): void;
}

interface Counted {
  readonly element: Element;
  readonly holders: number;
}

/** What the table shall hold: resources by their key, and the elements they share, counted. */
export class Wanted {
  readonly #resources = new Map<string, FirewallResource>();
  readonly #elements = new Map<string, Counted>();

  constructor(resources: Iterable<FirewallResource>) {
    for (const resource of resources) this.#set(resourceKey(resource), resource);
  }

  *elements(): Iterable<Element> {
    for (const { element } of this.#elements.values()) yield element;
  }

  /**
   * @param before in the kernel and no longer wanted, whether it ever was or not
   * @param after wanted from now on; all its elements are added, also shared ones, since they may be missing in the kernel
   * @throws EngineError as compile() does; then nothing is changed
   */
  change(before: readonly FirewallResource[], after: readonly FirewallResource[]): ElementChange {
    const gone = unique(before);
    const come = unique(after);
    const keys = new Set([...before, ...after].map(resourceKey));
    const former = [...keys].map((key) => [key, this.#resources.get(key)] as const);
    for (const key of keys) this.#set(key, undefined);
    for (const resource of after) this.#set(resourceKey(resource), resource);
    return {
      remove: [...gone].filter(([id]) => !this.#elements.has(id)).map(([, element]) => element),
      add: [...come.values()],
      undo: () => {
        for (const [key, resource] of former) this.#set(key, resource);
      },
    };
  }

  #set(key: string, resource: FirewallResource | undefined): void {
    const former = this.#resources.get(key);
    for (const element of former === undefined ? [] : compile(former)) this.#count(element, -1);
    if (resource === undefined) this.#resources.delete(key);
    else this.#resources.set(key, resource);
    for (const element of resource === undefined ? [] : compile(resource)) this.#count(element, 1);
  }

  #count(element: Element, by: 1 | -1): void {
    const id = elementId(element);
    const holders = (this.#elements.get(id)?.holders ?? 0) + by;
    if (holders > 0) this.#elements.set(id, { element, holders });
    else this.#elements.delete(id);
  }
}

function unique(resources: readonly FirewallResource[]): Map<string, Element> {
  return new Map(resources.flatMap(compile).map((element) => [elementId(element), element]));
}
