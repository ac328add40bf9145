import { addressBytes, familyOf, type MacAddress, macBytes } from '../model/address.ts';
import type { LinkCounters } from '../model/usage.ts';
import type { ForwardingInfo, NeighbourInfo } from './neighbour-messages.ts';
import * as nb from './neighbour-messages.ts';
import { MessageBatch, NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE } from './netlink.ts';
import { failure, NETLINK_ROUTE, NetlinkSocket } from './netlink-socket.ts';
import type { NetworkNamespace } from './netns.ts';
import { linkRuns, readLink, writeLinkRequest } from './read-link.ts';
import { RouteBatch } from './route-batch.ts';
import * as rt from './rtnetlink-messages.ts';
import { AF_INET, AF_INET6 } from './sys.ts';

export { BatchError } from './batch-error.ts';
export type { ForwardingInfo, NeighbourInfo } from './neighbour-messages.ts';
export type { LinkChange, RouteBatch, RouteSpec } from './route-batch.ts';
export type { AddressInfo, LinkInfo, LinkLabel, RouteInfo } from './rtnetlink-messages.ts';

/** Marks of ownership, written in the kernel. "FW": the group of every link we made (IFLA_GROUP) */
export const FAIRWAY_GROUP = 0x4657;
/** Links that wait for their deletion */
export const TRASH_GROUP = 0x4658;
/** "F": the protocol of every route we made (rtm_protocol), and of the host's addresses (IFA_PROTO); no routing daemon has it */
export const FAIRWAY_PROTOCOL = 0x46;

const RT_TABLE_MAIN = 254;
const EEXIST = 17;
/** struct rtgenmsg, padded */
const RTGEN = new Uint8Array(4);
/** Of a namespace; others are numbered by the kernel, from 0 on */
const LAST_NUMBER = 999_999;

/** rtnetlink(7) in one namespace, wherever the caller is. */
export class RouteSocket implements Disposable {
  readonly #socket: NetlinkSocket;
  /** The number for the next namespace, unless it is taken */
  #free = LAST_NUMBER;

  /** @param namespace unless told, the one the caller is in */
  constructor(namespace?: NetworkNamespace) {
    this.#socket = new NetlinkSocket(NETLINK_ROUTE, namespace);
  }

  links(): rt.LinkInfo[] {
    return this.#socket.dump(rt.RTM_GETLINK, writeLinkRequest, rt.parseLink);
  }

  /** What went through each link, by name. */
  counters(): ReadonlyMap<string, LinkCounters> {
    const header = Buffer.alloc(16); // struct ifinfomsg
    const counters = this.#socket.dump(rt.RTM_GETLINK, (batch) => batch.raw(header), rt.parseCounters);
    return new Map(counters.map((link) => [link.name, link]));
  }

  /** One link, in time that does not depend on how many there are. @param which index, or name */
  link(which: number | string): rt.LinkInfo | undefined {
    return readLink(this.#socket, which);
  }

  /** Whether what is sent by a link goes anywhere. @param link index */
  runs(link: number): boolean {
    return linkRuns(this.#socket, link);
  }

  /** @param link index; unless told, the addresses of all links */
  addresses(link = 0): rt.AddressInfo[] {
    const header = Buffer.alloc(8); // struct ifaddrmsg
    header.writeUInt32LE(link, 4);
    return this.#socket.dump(rt.RTM_GETADDR, (batch) => batch.raw(header), rt.parseAddress);
  }

  /** IPv4 and IPv6. @param table all tables hold also the local one, with the addresses of the host itself */
  routes(table: 'all' | 'main' = 'main'): rt.RouteInfo[] {
    // struct rtmsg: the fifth byte is the table
    const header = [0, 0, 0, 0, table === 'main' ? RT_TABLE_MAIN : 0, 0, 0, 0, 0, 0, 0, 0];
    return this.#socket.dump(rt.RTM_GETROUTE, (batch) => batch.raw(header), rt.parseRoute);
  }

  /** Who is known to hold which address. */
  neighbours(): NeighbourInfo[] {
    return this.#known(0).filter((known) => known.kind === 'neighbour');
  }

  /** What the bridges know. */
  forwardings(): ForwardingInfo[] {
    return this.#known(rt.AF_BRIDGE).filter((known) => known.kind === 'forwarding');
  }

  #known(family: number): (NeighbourInfo | ForwardingInfo)[] {
    const header = nb.neighbourHeader(family, 0, 0, 0);
    return this.#socket.dump(nb.RTM_GETNEIGH, (batch) => batch.raw(header), nb.parseNeighbour);
  }

  /** Who holds the address is asked for again when it is needed. @throws KernelError ENOENT */
  deleteNeighbour({ link, address }: Pick<NeighbourInfo, 'link' | 'address'>): void {
    const family = familyOf(address) === 4 ? AF_INET : AF_INET6;
    const header = nb.neighbourHeader(family, link, 0, 0);
    this.#change(`delete neighbour ${address}`, nb.RTM_DELNEIGH, 0, header, [[nb.NDA_DST, addressBytes(address)]]);
  }

  /** @param neighbour `permanent`: nothing that is heard changes it, until somebody says otherwise; else as if it had been heard a while ago */
  keepNeighbour(neighbour: Pick<Required<NeighbourInfo>, 'link' | 'address' | 'mac' | 'permanent'>): void {
    const { link, address, mac, permanent } = neighbour;
    const family = familyOf(address) === 4 ? AF_INET : AF_INET6;
    const header = nb.neighbourHeader(family, link, permanent ? nb.NUD_PERMANENT : nb.NUD_STALE, 0);
    this.#change(`keep neighbour ${address}`, nb.RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, header, [
      [nb.NDA_DST, addressBytes(address)],
      [nb.NDA_LLADDR, macBytes(mac)],
    ]);
  }

  /** The bridge learns anew where the address is. @throws KernelError ENOENT */
  deleteForwarding({ port, bridge, mac }: Pick<ForwardingInfo, 'port' | 'bridge' | 'mac'>): void {
    const header = nb.neighbourHeader(rt.AF_BRIDGE, port, 0, port === bridge ? nb.NTF_SELF : nb.NTF_MASTER);
    this.#change(`delete forwarding of ${mac}`, nb.RTM_DELNEIGH, 0, header, [[nb.NDA_LLADDR, macBytes(mac)]]);
  }

  /** Frames to this address are for the host, as the kernel has it for a bridge's own. @param bridge index */
  keepForwarding(bridge: number, mac: MacAddress): void {
    const header = nb.neighbourHeader(rt.AF_BRIDGE, bridge, nb.NUD_PERMANENT, nb.NTF_SELF);
    const flags = NLM_F_CREATE | NLM_F_REPLACE;
    this.#change(`keep forwarding of ${mac}`, nb.RTM_NEWNEIGH, flags, header, [[nb.NDA_LLADDR, macBytes(mac)]]);
  }

  #change(
    operation: string,
    type: number,
    flags: number,
    header: Buffer,
    attributes: readonly (readonly [number, Uint8Array])[],
  ): void {
    const batch = new MessageBatch().begin(type, flags | NLM_F_ACK).raw(header);
    for (const [about, bytes] of attributes) batch.bytes(about, bytes);
    const refused = this.#socket.exchange(batch.end()).failures.get(0);
    if (refused !== undefined) throw failure(operation, refused);
  }

  /**
   * What this namespace calls another one in events and answers; it is given a number when it has none. Numbers go downwards: at
   * each event the kernel looks for the one it is from, from the lowest on (net/core/net_namespace.c, __peernet2id), and who is new has the most to tell.
   */
  numberOf(namespace: NetworkNamespace): number {
    for (;;) {
      const number = this.#free;
      this.#free = number === 0 ? LAST_NUMBER : number - 1;
      const batch = new MessageBatch().begin(rt.RTM_NEWNSID, NLM_F_ACK).raw(RTGEN);
      batch.u32(rt.NETNSA_NSID, number).u32(rt.NETNSA_FD, namespace.fd);
      const refused = this.#socket.exchange(batch.end()).failures.get(0);
      if (refused === undefined) return number;
      if (refused.errno !== EEXIST) throw failure('number a network namespace', refused);
      const known = this.#readNumber(namespace);
      if (known >= 0) return known;
      // The number is another's.
    }
  }

  #readNumber(namespace: NetworkNamespace): number {
    const batch = new MessageBatch().begin(rt.RTM_GETNSID, NLM_F_ACK).raw(RTGEN).u32(rt.NETNSA_FD, namespace.fd);
    const { echoes, failures } = this.#socket.exchange(batch.end());
    const refused = failures.get(0);
    if (refused !== undefined) throw failure('read the number of a network namespace', refused);
    const [echo] = echoes;
    return echo === undefined ? -1 : rt.parseNamespaceNumber(echo.message);
  }

  /** Changes to be collected and sent in one system call. */
  batch(): RouteBatch {
    return new RouteBatch(this.#socket);
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}
