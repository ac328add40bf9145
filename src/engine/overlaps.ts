import { type Prefix, prefixBounds } from '../model/address.ts';
import type { Logger } from '../model/logger.ts';
import type { Network } from '../model/network.ts';
import { type HostUse, HostUses } from '../reconcile/host-use.ts';
import type { Reconciler } from '../reconcile/reconciler.ts';
import type { State } from './state.ts';
import { subnetTraits } from './surroundings.ts';

/** A network hides something of the host, or is hidden by it. */
export interface Overlap {
  readonly network: string;
  readonly subnet: string;
  /** "route 10.8.0.0/24 on tun0" */
  readonly with: string;
}

interface Inputs {
  readonly state: State;
  readonly reconciler: Reconciler;
  readonly logger: Logger;
}

/** RT_TABLE_MAIN */
const MAIN_TABLE = 254;

/** Milliseconds: networks that come together are looked at together. */
const DELAY = 300;

/**
 * Networks that lie over what the host uses or reaches: because somebody asked for exactly that, or because a VPN came up
 * later. A warning in the log when it begins, a line when it ends, and in the status meanwhile.
 */
export class Overlaps implements Disposable {
  readonly hostUses: HostUses;
  readonly #inputs: Inputs;
  #timer: NodeJS.Timeout | undefined;
  #known = new Map<string, Overlap>();

  constructor(inputs: Inputs) {
    this.#inputs = inputs;
    this.hostUses = new HostUses({ changed: () => this.list() });
  }

  /** Looks a little later: something may have changed on our side. */
  lookSoon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.list();
    }, DELAY);
    this.#timer.unref();
  }

  /** As it is now; tells the log what is new and what is over. */
  list(): readonly Overlap[] {
    const { logger } = this.#inputs;
    const found = new Map(this.#find().map((overlap) => [textOf(overlap), overlap]));
    for (const [text, { network }] of found) {
      const advice = `fairway renumber ${network} shows where it could go`;
      if (!this.#known.has(text)) logger.warn(`${text}: one of them cannot be reached; ${advice}`, { network });
    }
    for (const [text, { network }] of this.#known) {
      if (!found.has(text)) logger.info(`no longer so: ${text}`, { network });
    }
    this.#known = found;
    return [...found.values()];
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.hostUses[Symbol.dispose]();
  }

  #find(): Overlap[] {
    const { state } = this.#inputs;
    const uses = distinct(this.hostUses.list()).map((use) => ({ use, bounds: prefixBounds(use.prefix) }));
    return [...state.networks.values()].flatMap((network) => {
      // Where subnets are shared, they are those of the LAN on purpose.
      if (network.pools.length === 0 || subnetTraits(network).sharedSubnets) return [];
      return network.pools.flatMap(({ subnet }) => {
        const own = prefixBounds(subnet);
        const hits = uses.filter(({ bounds }) => meet(own, bounds)).map(({ use }) => use);
        if (hits.length === 0) return [];
        const links = this.#links(network);
        return hits.filter(({ link }) => !links.has(link)).map((use) => describe(network, subnet, use));
      });
    });
  }

  /** A bridge that was there before is not ours, but what is on it belongs to the network. */
  #links({ id }: Network): ReadonlySet<string> {
    const resources = this.#inputs.reconciler.desired().get(`network:${id}`) ?? [];
    return new Set(resources.flatMap((resource) => (resource.kind === 'link' ? [resource.name] : [])));
  }
}

/** An address brings the route to its own subnet along: one of them is enough. */
function distinct(uses: readonly HostUse[]): HostUse[] {
  const place = ({ prefix, link }: HostUse) => `${prefix} ${link}`;
  const routes = new Set(uses.filter(({ kind }) => kind === 'route').map(place));
  return uses.filter((use) => use.kind !== 'address' || !routes.has(place(use)));
}

type Bounds = ReturnType<typeof prefixBounds>;

function meet(a: Bounds, b: Bounds): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

function describe({ name }: Network, subnet: Prefix, { kind, prefix, link, table }: HostUse): Overlap {
  const where = link === '' ? '' : ` on ${link}`;
  const from = table === undefined || table === MAIN_TABLE ? '' : ` (table ${table})`;
  return { network: name, subnet, with: `${kind} ${prefix}${where}${from}` };
}

function textOf({ network, subnet, with: other }: Overlap): string {
  return `network "${network}" (${subnet}) overlaps the host's ${other}`;
}
