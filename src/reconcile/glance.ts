import type { NamespaceName, Resource } from '../model/resource.ts';
import { difference } from './compare.ts';
import { unlessGone } from './gone.ts';
import { type Picture, pictureOf, seeAddress, seeRoute } from './picture.ts';
import type { Places } from './places.ts';
import { type LinkView, seeEnd, seeLink } from './see-link.ts';
import { readSetting } from './settings.ts';
import type { Wishes } from './wishes.ts';

/** Answers what an event asks, at the least cost: whether these few things are as they are wished. */
export class Glance {
  readonly #places: Places;
  readonly #wishes: Wishes;

  constructor(places: Places, wishes: Wishes) {
    this.#places = places;
    this.#wishes = wishes;
  }

  /** Links of the host, asked for one by one. */
  linksAreWhole(names: Iterable<string>): boolean {
    const view: LinkView = { namespace: 'host', link: (which) => this.#places.host.socket.link(which) };
    return Array.from(names).every((name) => {
      const wish = this.#wishes.keys.get(`link host ${name}`)?.resource;
      return wish?.kind !== 'link' || isAsWished(seeLink(wish, view, new Map()), wish);
    });
  }

  /** @param links of the host; '' for settings that belong to none */
  settingsAreWhole(links: Iterable<string>): boolean {
    const { namespace } = this.#places.host;
    const settings = Array.from(links).flatMap((link) => this.#wishes.settingsOf(link));
    return settings.every(
      ({ resource }) => resource.kind !== 'sysctl' || readSetting(namespace, resource) === resource.value,
    );
  }

  /** What is wished inside these sandboxes. One that is going is whole. */
  sandboxesAreWhole(names: Iterable<NamespaceName>): boolean {
    return Array.from(names).every((name) => this.#sandboxIsWhole(name));
  }

  /** Whether these sandboxes have their files. One that is gone needs none. */
  pinsAreWhole(names: Iterable<NamespaceName>): boolean {
    return Array.from(names).every(
      (name) => !this.#wishes.keys.has(`namespace ${name}`) || this.#places.isPinned(name),
    );
  }

  #sandboxIsWhole(name: NamespaceName): boolean {
    const wishes = this.#wishes.inside(name);
    if (wishes.length === 0) return true;
    let whole = true;
    unlessGone(() => {
      const picture = pictureOf(this.#places.at(name));
      whole = wishes.every(({ resource }) => isAsWished(seeInside(resource, picture), resource));
    });
    this.#places.release();
    return whole;
  }
}

function isAsWished(seen: Resource | undefined, wish: Resource): boolean {
  return seen !== undefined && difference(seen, wish) === '';
}

/** As Observer sees it, as far as the sandbox alone can tell. */
function seeInside(wish: Resource, picture: Picture): Resource | undefined {
  switch (wish.kind) {
    case 'link':
      if (wish.namespace === picture.namespace) return seeLink(wish, picture, new Map());
      return wish.type === 'veth' ? seeEnd(wish, picture) : wish;
    case 'address':
      return seeAddress(wish, picture);
    case 'route':
      return seeRoute(wish, picture);
    default:
      return wish;
  }
}
