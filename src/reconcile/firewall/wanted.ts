import { type Resource, resourceKey } from '../../model/resource.ts';
import { type Element, elementId } from './element.ts';
import type { SetName } from './ruleset.ts';

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
export class Wanted<R extends Resource> {
  readonly #compile: (resource: R) => Element[];
  readonly #resources = new Map<string, R>();
  readonly #elements = new Map<string, Counted>();
  /** How many elements each set has */
  readonly #sizes = new Map<SetName, number>();

  constructor(compile: (resource: R) => Element[], resources: Iterable<R>) {
    this.#compile = compile;
    for (const resource of resources) this.#set(resourceKey(resource), resource);
  }

  get isEmpty(): boolean {
    return this.#resources.size === 0;
  }

  /** Whether the set has elements. */
  has(set: SetName): boolean {
    return (this.#sizes.get(set) ?? 0) > 0;
  }

  *elements(): Iterable<Element> {
    for (const { element } of this.#elements.values()) yield element;
  }

  /**
   * @param before in the kernel and no longer wanted, whether it ever was or not
   * @param after wanted from now on; all its elements are added, also shared ones, since they may be missing in the kernel
   * @throws EngineError as compile() does; then nothing is changed
   */
  change(before: readonly R[], after: readonly R[]): ElementChange {
    const gone = this.#unique(before);
    const come = this.#unique(after);
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

  #set(key: string, resource: R | undefined): void {
    const former = this.#resources.get(key);
    for (const element of former === undefined ? [] : this.#compile(former)) this.#count(element, -1);
    if (resource === undefined) this.#resources.delete(key);
    else this.#resources.set(key, resource);
    for (const element of resource === undefined ? [] : this.#compile(resource)) this.#count(element, 1);
  }

  #count(element: Element, by: 1 | -1): void {
    const id = elementId(element);
    const before = this.#elements.get(id)?.holders ?? 0;
    const holders = before + by;
    if (holders > 0) this.#elements.set(id, { element, holders });
    else this.#elements.delete(id);
    if (before === 0 || holders === 0) this.#sizes.set(element.set, (this.#sizes.get(element.set) ?? 0) + by);
  }

  #unique(resources: readonly R[]): Map<string, Element> {
    return new Map(resources.flatMap(this.#compile).map((element) => [elementId(element), element]));
  }
}
