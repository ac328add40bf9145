import type { FirewallMark } from '../../model/network.ts';

/**
 * Everything in the table but the elements of its sets and maps, in nft's language. What comes and goes with networks and ports
 * are elements. Sets whose name ends in 4 or 6 hold addresses of that family; the chains are the same for both.
 */

/** Of the firewall's table, and of that of port security. */
export type TableFamily = 'inet' | 'bridge';

interface SetDefinition {
  /** Of the table it belongs to; inet unless told */
  readonly family?: TableFamily;
  /** nft's types of the key's fields */
  readonly key: readonly FieldType[];
  /** nft's types of what a map leads to */
  readonly value?: readonly FieldType[];
  readonly interval?: true;
  /** In place of types: nft has none for what the packet is looked at for */
  readonly typeof?: string;
}

export type FieldType =
  | 'ifname'
  | 'ether_addr'
  | 'target'
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'inet_proto'
  | 'inet_service'
  | 'nf_proto'
  | 'mark';

/**
 * Published ports are in four maps of each family: to one address of the host or to any, and single ports or ranges. A single
 * port may lead to another port; hash maps, so that adding one costs the same however many there are. A range is one element
 * with an interval for its key, and keeps the port: nft cannot shift a range.
 */
export const SETS = {
  bridges: { key: ['ifname'] },
  internal: { key: ['ifname'] },
  /** A bridge twice: what comes from it may go back to it by way of the host */
  turning: { key: ['ifname', 'ifname'] },
  /** A bridge twice: the LAN's frames that it carries. They come here where br_netfilter has the host's hands on them */
  carried: { key: ['ifname', 'ifname'] },
  /** A bridge twice: what comes from it may go back to it on published ports alone */
  confined: { key: ['ifname', 'ifname'] },
  /** From one container to a port of another, where they may not reach each other otherwise */
  linked4: { key: ['ipv4_addr', 'ipv4_addr', 'inet_proto', 'inet_service'] },
  /** Bridges all of whose ports can be reached from outside */
  unprotected: { key: ['nf_proto', 'ifname'] },
  /** Bridges whose containers answer for themselves: ICMP passes */
  routed: { key: ['nf_proto', 'ifname'] },
  /** Containers that have no door between them and the bridge */
  subnets4: { key: ['ipv4_addr', 'ifname'], interval: true },
  subnets6: { key: ['ipv6_addr', 'ifname'], interval: true },
  /**
   * The family beside an address of it says nothing, but makes a concatenation of the key: for whatever is added anywhere
   * in the table, nft reads all sets of plain intervals (26 ms with 2,000 networks), and no others
   */
  masqueraded4: { key: ['ipv4_addr', 'nf_proto'], interval: true },
  masqueraded6: { key: ['ipv6_addr', 'nf_proto'], interval: true },
  /** Of them, those that leave with this address of the host */
  sources4: { key: ['ipv4_addr', 'nf_proto'], value: ['ipv4_addr'], interval: true },
  sources6: { key: ['ipv6_addr', 'nf_proto'], value: ['ipv6_addr'], interval: true },
  /** Families of which nothing is forwarded but from and to our bridges */
  guarded: { key: ['nf_proto'] },
  /** One element: first packets of TCP connections say how large packets may be. It decides about rules, no rule looks at it */
  clamp: { key: ['mark'] },
  port4: { key: ['ipv4_addr', 'inet_proto', 'inet_service'], value: ['ipv4_addr', 'inet_service'] },
  port6: { key: ['ipv6_addr', 'inet_proto', 'inet_service'], value: ['ipv6_addr', 'inet_service'] },
  range4: { key: ['ipv4_addr', 'inet_proto', 'inet_service'], value: ['ipv4_addr'], interval: true },
  range6: { key: ['ipv6_addr', 'inet_proto', 'inet_service'], value: ['ipv6_addr'], interval: true },
  port4_any: { key: ['inet_proto', 'inet_service'], value: ['ipv4_addr', 'inet_service'] },
  port6_any: { key: ['inet_proto', 'inet_service'], value: ['ipv6_addr', 'inet_service'] },
  range4_any: { key: ['inet_proto', 'inet_service'], value: ['ipv4_addr'], interval: true },
  range6_any: { key: ['inet_proto', 'inet_service'], value: ['ipv6_addr'], interval: true },
  /** Ports of containers that can be reached by the container's own address */
  opened4: { key: ['ipv4_addr', 'inet_proto', 'inet_service'], interval: true },
  opened6: { key: ['ipv6_addr', 'inet_proto', 'inet_service'], interval: true },
  /** The same, through one link of the host */
  through4: { key: ['ifname', 'ipv4_addr', 'inet_proto', 'inet_service'], interval: true },
  through6: { key: ['ifname', 'ipv6_addr', 'inet_proto', 'inet_service'], interval: true },
  /** Ports of bridges that are held to what they may say, see ../port-security/ruleset.ts; and their MAC addresses */
  ports: { family: 'bridge', key: ['ifname'] },
  macs: { family: 'bridge', key: ['ifname', 'ether_addr'] },
  senders4: { family: 'bridge', key: ['ifname', 'ether_addr', 'ipv4_addr'] },
  senders6: { family: 'bridge', key: ['ifname', 'ether_addr', 'ipv6_addr'] },
  /** The target of a neighbour advertisement (RFC 4861 section 4.4): nft 1.0 knows it by its place alone */
  targets6: { family: 'bridge', key: ['ifname', 'target'], typeof: 'iifname . @th,64,128' },
  /** One element, whose comment says what the table looked like when it was made. In each table */
  fingerprint: { key: ['mark'] },
} as const satisfies Record<string, SetDefinition>;

export type SetName = keyof typeof SETS;

/** Why packets are dropped: a counter each. What they mean for users is in the help of the metric. */
const DROP_REASONS = {
  inet: ['loopback', 'internal', 'invalid', 'confined', 'unpublished', 'guarded'],
  bridge: ['spoofed'],
} as const satisfies Record<TableFamily, readonly string[]>;
export type DropReason = (typeof DROP_REASONS)[TableFamily][number];

export function isDropReason(name: unknown): name is DropReason {
  return Object.values(DROP_REASONS).some((reasons) => reasons.some((reason) => reason === name));
}

export function isSetName(name: string): name is SetName {
  return Object.hasOwn(SETS, name);
}

/** What the rules are told of besides elements. */
export interface RulesetOptions {
  /** Packets that may go to every port */
  readonly accept?: FirewallMark | undefined;
  /** There are internal bridges. Without one, no packet is asked whether it is theirs: that takes 1 % of a connection's time */
  readonly internal: boolean;
  /** Some way is narrower than a network. Without one, no way is looked up for it: another 1 % */
  readonly clamp: boolean;
}

/** The table without an element. @param table its name; the family is inet */
export function rulesetText(table: string, options: RulesetOptions): string {
  return tableText('inet', table, chainsText(options));
}

/** A table with the sets and counters of its family. */
export function tableText(family: TableFamily, table: string, chains: string): string {
  const sets = Object.entries(SETS as Readonly<Record<string, SetDefinition>>)
    .filter(([name, { family: own = 'inet' }]) => own === family || name === 'fingerprint')
    .map(setText);
  const counters = DROP_REASONS[family].map((reason) => `  counter ${reason} { }\n`);
  return `table ${family} ${table} {\n${sets.join('')}${counters.join('')}${chains}}\n`;
}

function setText([name, { key, value, interval, typeof: expression }]: [string, SetDefinition]): string {
  const types = value === undefined ? key.join(' . ') : `${key.join(' . ')} : ${value.join(' . ')}`;
  const type = expression === undefined ? `type ${types}` : `typeof ${expression}`;
  return `  ${value === undefined ? 'set' : 'map'} ${name} { ${type}; ${interval ? 'flags interval; ' : ''}}\n`;
}

/**
 * What every packet passes is a few comparisons; looking a link up in a set costs as much as ten of them.
 * input: bridges have route_localnet, for the sake of 127.0.0.1 on the host; here, and in forward, is what keeps containers out of
 *   it. From an internal bridge only its own subnet can be reached, and with it the host's address there, but none of the host's
 *   others (`fib daddr . iif`).
 * looped: answers to 127.0.0.1 bear it again here, though they came for the bridge's address, which the question was sent with.
 *   Nothing that came for 127.0.0.0/8 can be taken for one: that is no address of an answer to a translated source.
 * prerouting: what comes from outside for 127.0.0.0/8 is not translated, so the kernel drops it as martian. The output
 *   chain does the same for the host itself, and takes 127.0.0.1 too. IPv6 knows no route_localnet, and forwards nothing
 *   from a link-local address: ::1 and fe80::/10 are left to whoever listens on the host.
 * publish: a port published on one address goes before one on any. Map lookups alone; the first packet of a connection
 *   alone comes here.
 * postrouting: a client that would get its answer past the host, over the bridge, gets the host's address instead: the
 *   container itself and its neighbours when they use the host's address, and the host by 127.0.0.1.
 * forward: what neither enters nor leaves a bridge of ours is left to other tables, unless it is guarded.
 *   What answers is through at once, and what follows an answer, since the first packet was let through here. Before it stands only
 *   what no connection changes, since others could speak in its name: what says to come from 127.0.0.0/8, as the host's own
 *   connections to containers may, and internal networks.
 * leaving, entering: where the way out takes less than the network, or an answer comes back on such a way, both ends are told
 *   in the first packet of each (the kernel makes the figure smaller, never larger: net/netfilter/nft_exthdr.c). Without it,
 *   connections hang where somebody on the way keeps ICMP to himself. The answer to the first packet must come here then: what is
 *   through at once is what the kernel calls assured, with the third packet of TCP.
 * leaving: an answer that connection tracking does not know would leave with an address nobody outside can use.
 * entering, between: from outside and from other bridges, only to published ports. All ports of an unprotected network are
 *   open to the outside, not to other bridges, as in Docker 28.
 *   So are all ports to packets with the administrator's mark; internal networks stay closed to them.
 * opened: ports of containers behind the container's own address.
 */
const chainsText = ({ accept, internal, clamp }: RulesetOptions) => `
  chain input {
    type filter hook input priority filter; policy accept
    ip saddr 127.0.0.0/8 iifname @bridges counter name loopback drop
    ip daddr 127.0.0.0/8 goto looped
${internal ? '    iifname @internal goto from_internal\n' : ''}  }
  chain looped {
    ct direction reply ct status snat accept
    iifname @bridges counter name loopback drop
  }
  chain from_internal {
    ip daddr . iifname @subnets4 return
    ip6 daddr . iifname @subnets6 return
    ip6 daddr { fe80::/10, ff00::/8 } return
    fib daddr . iif type != { local, broadcast, multicast } counter name internal drop
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept
    ip daddr 127.0.0.0/8 return
    fib daddr type local goto publish
  }
  chain output {
    type nat hook output priority -100; policy accept
    fib daddr type local goto publish
  }
  chain publish {
    meta nfproto ipv6 goto publish6
    dnat ip to ip daddr . meta l4proto . th dport map @port4
    dnat ip to ip daddr . meta l4proto . th dport map @range4
    dnat ip to meta l4proto . th dport map @port4_any
    dnat ip to meta l4proto . th dport map @range4_any
  }
  chain publish6 {
    ip6 daddr { ::1, fe80::/10 } return
    ip6 saddr fe80::/10 return
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @port6
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @range6
    dnat ip6 to meta l4proto . th dport map @port6_any
    dnat ip6 to meta l4proto . th dport map @range6_any
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    ip saddr . oifname @subnets4 goto same_subnet
    ip6 saddr . oifname @subnets6 goto same_subnet
    ip saddr . meta nfproto @masqueraded4 goto masked
    ip6 saddr . meta nfproto @masqueraded6 goto masked
  }
  chain masked {
    snat ip to ip saddr . meta nfproto map @sources4
    snat ip6 to ip6 saddr . meta nfproto map @sources6
    masquerade
  }
  chain same_subnet {
    ct status dnat masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept
    ip saddr 127.0.0.0/8 iifname @bridges counter name loopback drop
${internal ? SEALS : ''}    ct ${clamp ? 'status assured' : 'state established'} accept
    iifname @bridges goto leaving
    oifname @bridges goto entering
    iifname . oifname @carried accept
    meta nfproto @guarded counter name guarded drop
  }
  chain sealed {
    iifname . oifname @turning accept
    counter name internal drop
  }
  chain leaving {
    iifname . oifname @turning accept
${clamp ? CLAMP : ''}    oifname @bridges goto between
    ct state invalid counter name invalid drop
  }
  chain between {
    ct state established,related accept
    ct status dnat accept
${markText(accept)}    ip saddr . ip daddr . meta l4proto . th dport @linked4 accept
    iifname . oifname @confined counter name confined drop
    goto opened
  }
  chain entering {
${clamp ? CLAMP : ''}    ct state established,related accept
    ct status dnat accept
${markText(accept)}    meta nfproto . oifname @unprotected accept
    goto opened
  }
  chain opened {
    meta l4proto { icmp, icmpv6 } meta nfproto . oifname @routed accept
    ip daddr . meta l4proto . th dport @opened4 accept
    ip6 daddr . meta l4proto . th dport @opened6 accept
    iifname . ip daddr . meta l4proto . th dport @through4 accept
    iifname . ip6 daddr . meta l4proto . th dport @through6 accept
    counter name unpublished drop
  }
`;

const SEALS = `    iifname @internal goto sealed
    oifname @internal goto sealed
`;

const CLAMP = '    tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu\n';

function markText(accept: FirewallMark | undefined): string {
  return accept === undefined ? '' : `    meta mark & ${accept.mask} == ${accept.mark} accept\n`;
}

/**
 * The administrator's own table, made once and never touched again. Its chain sees packets before ours do: with connection
 * state, and with the port the client asked for.
 */
export function adminTableText(table: string): string {
  return `table inet ${table} {
    comment "For rules of your own: made once, never changed by Fairway"
    chain prerouting {
      comment "Sees what arrives before published ports are translated: tcp dport is the host's port"
      type filter hook prerouting priority mangle; policy accept
    }
  }`;
}
