import type { Picture } from './picture.ts';

type Row = Readonly<Record<string, unknown>>;
type Tables = Readonly<Record<string, readonly Row[]>>;

/** Fields of ip and nft that tell of the moment, or of numbers the kernel gives out in turn. */
const PASSING = new Set(
  `ifindex link_index link_netnsid handle packets bytes operstate stats64 promiscuity allmulti txqlen qdisc timer
  hello_timer tcn_timer topology_change_timer gc_timer root_id bridge_id root_port designated_port designated_bridge
  designated_root designated_cost id no num_tx_queues num_rx_queues gso_max_size gso_max_segs tso_max_size tso_max_segs
  gro_max_size gso_ipv4_max_size gro_ipv4_max_size used confirmed updated probes refcnt valid_life_time
  preferred_life_time message_age_timer forward_delay_timer hold_timer state topology_change topology_change_detected
  expires min_mtu max_mtu cacheinfo tentative`.split(/\s+/),
);
/** Of links these say whether somebody is there right now. */
const PASSING_FLAGS = ['LOWER_UP', 'NO-CARRIER'];

/**
 * Knows the engine's things by what users call them, and puts these names where ids, addresses of links, process ids and
 * times are: so two pictures of the same state are equal.
 */
export class Namer {
  /** The longest first */
  readonly #names: readonly (readonly [string, string])[];
  /** Containers that do not run, by their names here */
  readonly #idle: ReadonlySet<string>;

  constructor(tables: Tables) {
    const names = new Map<string, string>();
    const call = (id: unknown, name: string) => {
      names.set(String(id), `<${name}>`);
      if (/^[0-9a-f]{64}$/.test(String(id))) names.set(String(id).slice(0, 12), `<short ${name}>`);
    };
    const find = (table: string, id: unknown) => tables[table]?.find((row) => row['id'] === id)?.['name'];
    for (const { id, name } of tables['networks'] ?? []) call(id, `network ${name}`);
    for (const { id, name, sandbox, state } of tables['containers'] ?? []) {
      call(id, `container ${name}`);
      if (sandbox !== undefined) call(sandbox, `sandbox of ${name}`);
      // Who is only looked on by the operations keeps its process.
      const { pid } = state as { pid: number };
      if (pid !== 0 && name !== BYSTANDER)
        names.set(`"Pid":${pid}`, '"Pid":"<pid>"').set(`"pid":${pid}`, '"pid":"<pid>"');
    }
    for (const { id, network, container, mac } of tables['endpoints'] ?? []) {
      const name = `${find('containers', container)} on ${find('networks', network)}`;
      call(id, `endpoint ${name}`);
      names.set(`veth${String(id).slice(0, 7)}`, `<veth ${name}>`);
      if (mac !== undefined) call(mac, `mac ${name}`);
    }
    for (const { id } of tables['volumes'] ?? []) call(id, 'volume');
    const idle = (tables['containers'] ?? []).filter(({ state }) => (state as { pid: number }).pid === 0);
    this.#idle = new Set(idle.map(({ name }) => `<container ${name}>`));
    this.#names = [...names].sort(([a], [b]) => b.length - a.length);
  }

  /** Places, too, can hold ids. Order within a place is chance. */
  name(picture: Picture): Picture {
    const named = Object.entries(picture).map(([place, lines]) => {
      const plain = lines.flatMap((line) => this.#line(line)).filter((line) => !this.#isRemade(line));
      return [this.#text(place), plain.sort()] as const;
    });
    return Object.fromEntries(named);
  }

  /** What lies in the folder of a container that does not run is made anew when it starts, and goes with it. */
  #isRemade(line: string): boolean {
    const owner = /^(?:f )?\/run\/data\/containers\/(<container [^>]*>)\//.exec(line)?.[1];
    return owner !== undefined && this.#idle.has(owner);
  }

  /** A line of JSON as one line for each of its elements, without what passes. */
  #line(line: string): string[] {
    if (!/^[[{]/.test(line)) return [this.#text(line)];
    const value: unknown = JSON.parse(line);
    const table = (value as Row)['nftables'];
    const items: readonly Row[] = Array.isArray(value) ? value : Array.isArray(table) ? table : [value];
    return items
      .filter((item) => !passes(item))
      .map((item) => sorted(this.#text(JSON.stringify(lasting(withoutLinkLocal(item))))));
  }

  #text(line: string): string {
    let text = line;
    for (const [id, name] of this.#names) text = text.replaceAll(id, name);
    return text
      .replace(/\b(?!0001)\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
      .replace(/\b(Up|Exited \(\d+\)|Created) [^"]*?(seconds?|minutes?)( ago)?/g, '$1 <time>')
      .replace(/"Created":\d+/g, '"Created":"<time>"')
      .replace(/\b(?!00:00:00:00:00:00|ff:ff:ff:ff:ff:ff)([0-9a-f]{2}:){5}[0-9a-f]{2}\b/g, '<mac>')
      .replace(/\bfe80::[0-9a-f:]+/g, '<link-local>')
      .replace(/"(value|right)":(3[2-9]|[4-6]\d)\d{3}\b/g, '"$1":"<port>"')
      .replace(/ nsfs net:\[\d+\]/, ' nsfs')
      .replace(/127\.0\.0\.11:\d+/g, '127.0.0.11:<port>')
      .replace(/"port":\d{5}/g, '"port":"<port>"');
  }
}

/** The container that no operation is about. */
export const BYSTANDER = 'bystander';

/** What the kernel learnt about neighbours, and the routes it makes for every link by itself. */
function passes({ dst, state, protocol }: Row): boolean {
  if (Array.isArray(state) && dst !== undefined) return !state.includes('PERMANENT');
  return protocol === 'kernel' && /^f[ef][0-9a-f]{2}::/.test(String(dst));
}

/**
 * The kernel gives a bridge its link-local address when it has taken notice of a port, a second later or so: never, where the port
 * was gone by then.
 */
function withoutLinkLocal(item: Row): Row {
  const { linkinfo, addr_info: addresses } = item as { linkinfo?: Row; addr_info?: readonly Row[] };
  if (linkinfo?.['info_kind'] !== 'bridge' || addresses === undefined) return item;
  return { ...item, addr_info: addresses.filter(({ local }) => !String(local).startsWith('fe80:')) };
}

/** The same without what passes. */
function lasting(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => !PASSING_FLAGS.includes(item)).map(lasting);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key]) => !PASSING.has(key));
  return Object.fromEntries(kept.map(([key, inner]) => [key, lasting(inner)]));
}

/** Fields in the order of their names; elements of nftables' sets and of links' lists, which the kernel orders, in theirs. */
function sorted(json: string): string {
  const anyOrder = json.includes('"elem"') || json.startsWith('{"ifname"');
  const inOrder = (value: unknown): unknown => {
    if (Array.isArray(value)) {
      const items = value.map(inOrder);
      return anyOrder ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : items;
    }
    if (typeof value !== 'object' || value === null) return value;
    const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return Object.fromEntries(fields.map(([key, inner]) => [key, inOrder(inner)]));
  };
  return JSON.stringify(inOrder(JSON.parse(json)));
}
