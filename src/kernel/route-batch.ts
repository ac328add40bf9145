import {
  addressBytes,
  addressOf,
  addressToNumber,
  familyOf,
  type InterfaceAddress,
  type IpAddress,
  lengthOf,
  type MacAddress,
  macBytes,
  numberToAddress,
  type Prefix,
} from '../model/address.ts';
import type { KernelError } from '../model/errors.ts';
import { BatchError } from './batch-error.ts';
import { type LinkSettings, writeSettings } from './link-kinds.ts';
import { MessageBatch, NLM_F_ACK, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL } from './netlink.ts';
import { failure, type NetlinkSocket, type Reply } from './netlink-socket.ts';
import type { NetworkNamespace } from './netns.ts';
import { readLink } from './read-link.ts';
import * as rt from './rtnetlink-messages.ts';
import * as sys from './sys.ts';

const NEW = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;

/** linux/veth.h */
const VETH_INFO_PEER = 1;
/** net/if_addr.h: an IPv6 address is usable at once, without asking the link for duplicates */
const IFA_F_NODAD = 0x2;
const RT_TABLE_MAIN = 254;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
/** In a deletion: any scope */
const RT_SCOPE_NOWHERE = 255;
const RTN_UNICAST = 1;
/** In a deletion: any protocol, any type */
const ANY = 0;

interface NewLink {
  /** At most 15 bytes */
  readonly name: string;
  readonly mtu?: number;
  readonly group: number;
  /** '': none yet */
  readonly alias: string;
  readonly up: boolean;
}

interface NewBridge extends NewLink {
  readonly mac?: MacAddress;
}

/** A link that hangs from another one, or from none. */
interface NewChild extends NewLink {
  readonly mac?: MacAddress;
  readonly settings: LinkSettings;
  /** Index of the link it hangs from; a dummy has none */
  readonly parent?: number;
  /**
   * Where it is born; unless told, in the batch's own namespace. Elsewhere, it is not among the links `send` returns (the
   * kernel's echo goes to its namespace), and its alias must be set there
   */
  readonly namespace?: NetworkNamespace;
}

/** What a bridge is told of a port. */
interface PortFlags {
  /** No frames to other isolated ports */
  readonly isolated?: boolean;
  /** Frames may leave by the port they came in */
  readonly hairpin?: boolean;
}

interface NewVeth extends NewLink, PortFlags {
  readonly mac?: MacAddress;
  /** Index of a bridge */
  readonly master?: number;
  /** The other end, born in its namespace under its final name, and down */
  readonly peer: {
    readonly name: string;
    readonly namespace: NetworkNamespace;
    readonly mac?: MacAddress;
    readonly mtu?: number;
  };
}

/** What is left out stays as it is. The flags only for the port of a bridge. */
export interface LinkChange extends PortFlags {
  /** A new name. A link that is up may refuse it with EBUSY: older kernels rename only what is down */
  readonly name?: string;
  readonly up?: boolean;
  readonly mtu?: number;
  readonly mac?: MacAddress;
  /** Index of a bridge; 0: none */
  readonly master?: number;
  readonly group?: number;
  readonly alias?: string;
}

export interface RouteSpec {
  readonly destination: Prefix;
  readonly gateway?: IpAddress;
  /** Index */
  readonly link: number;
  /** Who made it (RTPROT_*); in a deletion 0 means any */
  readonly protocol: number;
}

/** A link to be made, and what can only be said of it when it is there. */
interface Creation {
  readonly call: number;
  readonly name: string;
  /** In another namespace than the batch's own */
  readonly elsewhere: boolean;
  readonly overlay: Partial<rt.LinkInfo>;
  readonly port: PortFlags;
}

/** Changes to one namespace, collected and sent in one system call. Each call appends one; they happen in that order. */
export class RouteBatch {
  readonly #socket: NetlinkSocket;
  readonly #messages = new MessageBatch();
  /** By call: "add link veth1a2b3c" */
  readonly #operations: string[] = [];
  /** By message: the call it belongs to */
  readonly #calls: number[] = [];
  /** By message */
  readonly #creations = new Map<number, Creation>();

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /**
   * Frames to 01:80:C2:00:00:0X are not for the bridge, and pass every filter: it learns nothing from them. Nor does it listen who
   * is a member of which multicast group, which costs two timers for each port whenever one comes (br_multicast_enable_port).
   */
  addBridge(bridge: NewBridge): this {
    const messages = this.#create(bridge);
    if (bridge.mac !== undefined) messages.bytes(rt.IFLA_ADDRESS, macBytes(bridge.mac));
    messages.nest(rt.IFLA_LINKINFO, (info) => {
      info.text(rt.IFLA_INFO_KIND, 'bridge');
      info.nest(rt.IFLA_INFO_DATA, (data) => {
        data.u8(rt.IFLA_BR_MCAST_SNOOPING, 0);
        data.bytes(rt.IFLA_BR_MULTI_BOOLOPT, Buffer.from([1, 0, 0, 0, 1, 0, 0, 0]));
      });
    });
    messages.end();
    return this;
  }

  /** Makes both ends. The echoed link is the host's; its `peer` is the other end's index in its own namespace. */
  addVeth(veth: NewVeth): this {
    const { peer, mac, master = 0, isolated = false, hairpin = false } = veth;
    const port = { ...(isolated ? { isolated } : {}), ...(hairpin ? { hairpin } : {}) };
    const messages = this.#create(veth, { master, isolated }, port);
    if (master !== 0) messages.u32(rt.IFLA_MASTER, master);
    if (mac !== undefined) messages.bytes(rt.IFLA_ADDRESS, macBytes(mac));
    oneQueue(messages);
    messages.nest(rt.IFLA_LINKINFO, (info) => {
      info.text(rt.IFLA_INFO_KIND, 'veth');
      info.nest(rt.IFLA_INFO_DATA, (data) => data.nest(VETH_INFO_PEER, (end) => writePeer(end, peer)));
    });
    messages.end();
    return this;
  }

  /**
   * A macvlan, ipvlan, vlan or dummy. Kernels before 6.15 look for its name in the batch's own namespace, too, and refuse
   * one that is taken there (EEXIST).
   */
  addChild(child: NewChild): this {
    const { parent, namespace, mac, settings } = child;
    const messages = this.#create(child, { group: child.group }, {}, namespace !== undefined);
    if (parent !== undefined) messages.u32(rt.IFLA_LINK, parent);
    if (namespace !== undefined) messages.u32(rt.IFLA_NET_NS_FD, namespace.fd);
    if (mac !== undefined) messages.bytes(rt.IFLA_ADDRESS, macBytes(mac));
    messages.nest(rt.IFLA_LINKINFO, (info) => writeSettings(info, settings)).end();
    return this;
  }

  /** @param which index, or name; by name a link cannot be renamed */
  setLink(which: number | string, change: LinkChange): this {
    const { isolated, hairpin, name, up, mtu, mac, master, group, alias } = change;
    const messages = this.#link(`set link ${which}`, rt.RTM_SETLINK, which, up);
    if (name !== undefined) messages.text(rt.IFLA_IFNAME, name);
    if (mtu !== undefined) messages.u32(rt.IFLA_MTU, mtu);
    if (mac !== undefined) messages.bytes(rt.IFLA_ADDRESS, macBytes(mac));
    if (master !== undefined) messages.u32(rt.IFLA_MASTER, master);
    if (group !== undefined) messages.u32(rt.IFLA_GROUP, group);
    if (alias !== undefined) messages.bytes(rt.IFLA_IFALIAS, Buffer.from(alias));
    messages.end();
    if (isolated !== undefined || hairpin !== undefined) this.#setPort(which, change);
    return this;
  }

  /** @param which index, or name */
  deleteLink(which: number | string): this {
    this.#link(`delete link ${which}`, rt.RTM_DELLINK, which).end();
    return this;
  }

  /** Deletes all links of a group. ENODEV when it has none. */
  deleteGroup(group: number): this {
    this.#link(`delete links of group ${group}`, rt.RTM_DELLINK, 0).u32(rt.IFLA_GROUP, group).end();
    return this;
  }

  /** @param link index @param protocol who makes it (IFA_PROTO); kernels before 5.18 forget it at once */
  addAddress(link: number, address: InterfaceAddress, protocol?: number): this {
    return this.#address(`add address ${address}`, rt.RTM_NEWADDR, NEW, link, address, protocol);
  }

  /** @param link index */
  deleteAddress(link: number, address: InterfaceAddress): this {
    return this.#address(`delete address ${address}`, rt.RTM_DELADDR, NLM_F_ACK, link, address);
  }

  /** Into the main table. */
  addRoute(route: RouteSpec): this {
    const scope = route.gateway === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    return this.#route('add', rt.RTM_NEWROUTE, NEW, route, { scope, type: RTN_UNICAST });
  }

  /** From the main table. */
  deleteRoute(route: RouteSpec): this {
    return this.#route('delete', rt.RTM_DELROUTE, NLM_F_ACK, route, { scope: RT_SCOPE_NOWHERE, type: ANY });
  }

  /**
   * Sends what was collected; a batch is sent once.
   * @returns the links that were made, in the order of the calls
   * @throws BatchError when something was refused: the rest has happened nevertheless
   */
  send(): rt.LinkInfo[] {
    if (this.#operations.length === 0) return [];
    const reply = this.#socket.exchange(this.#messages);
    const failures = new Map<number, KernelError>();
    this.#collect(reply, (message) => this.#calls[message] ?? 0, failures);
    const made = this.#made(reply);
    this.#complete(made, failures);
    const links = [...made.values()];
    if (failures.size > 0) throw new BatchError(new Map([...failures].sort(([a], [b]) => a - b)), links);
    return links;
  }

  /** Kernels before 6.2 echo no link, and are asked. */
  #made({ echoes, failures }: Reply): Map<Creation, rt.LinkInfo> {
    const echoed = new Map(echoes.map(({ number, message }) => [number, message]));
    const made = new Map<Creation, rt.LinkInfo>();
    for (const [number, creation] of this.#creations) {
      if (creation.elsewhere || failures.has(number)) continue;
      const echo = echoed.get(number);
      const link = echo === undefined ? readLink(this.#socket, creation.name) : rt.parseLink(echo);
      if (link !== undefined) made.set(creation, { ...link, ...creation.overlay });
    }
    return made;
  }

  /**
   * The kernel ignores an alias and port flags at creation. They follow by index, for links that were really made: by name
   * they would hit a foreign link where the creation failed with EEXIST.
   */
  #complete(made: ReadonlyMap<Creation, rt.LinkInfo>, failures: Map<number, KernelError>): void {
    const rest = new RouteBatch(this.#socket);
    const calls: number[] = [];
    for (const [{ call, port }, { index, alias }] of made) {
      if (alias === '' && Object.keys(port).length === 0) continue;
      rest.setLink(index, { ...(alias === '' ? {} : { alias }), ...port });
      calls.push(call);
    }
    if (calls.length === 0) return;
    const reply = this.#socket.exchange(rest.#messages);
    this.#collect(reply, (message) => calls[rest.#calls[message] ?? 0] ?? 0, failures);
  }

  /** The first failure of each call, in words. */
  #collect(reply: Reply, callOf: (message: number) => number, failures: Map<number, KernelError>): void {
    for (const [message, refused] of reply.failures) {
      const call = callOf(message);
      if (!failures.has(call)) failures.set(call, failure(this.#operations[call] ?? '', refused));
    }
  }

  #begin(operation: string, type: number, flags: number): MessageBatch {
    this.#operations.push(operation);
    return this.#more(type, flags);
  }

  /** One more message of the same call. */
  #more(type: number, flags: number): MessageBatch {
    this.#calls.push(this.#operations.length - 1);
    return this.#messages.begin(type, flags);
  }

  #create(link: NewLink, overlay: Partial<rt.LinkInfo> = {}, port: PortFlags = {}, elsewhere = false): MessageBatch {
    const messages = this.#begin(`add link ${link.name}`, rt.RTM_NEWLINK, NEW | NLM_F_ECHO);
    const call = this.#operations.length - 1;
    const { name, alias, group, mtu, up } = link;
    this.#creations.set(messages.count - 1, { call, name, elsewhere, overlay: { ...overlay, alias }, port });
    messages.raw(linkHeader(0, up)).text(rt.IFLA_IFNAME, name).u32(rt.IFLA_GROUP, group);
    return mtu === undefined ? messages : messages.u32(rt.IFLA_MTU, mtu);
  }

  #link(operation: string, type: number, which: number | string, up?: boolean): MessageBatch {
    return writeLink(this.#begin(operation, type, NLM_F_ACK), which, up);
  }

  /** RTM_NEWLINK without NLM_F_CREATE: RTM_SETLINK does not look at what a port's master has to say about it. */
  #setPort(which: number | string, { isolated, hairpin }: PortFlags): void {
    writeLink(this.#more(rt.RTM_NEWLINK, NLM_F_ACK), which)
      .nest(rt.IFLA_LINKINFO, (info) => {
        info.text(rt.IFLA_INFO_SLAVE_KIND, 'bridge');
        info.nest(rt.IFLA_INFO_SLAVE_DATA, (port) => {
          if (hairpin !== undefined) port.u8(rt.IFLA_BRPORT_MODE, hairpin ? 1 : 0);
          if (isolated !== undefined) port.u8(rt.IFLA_BRPORT_ISOLATED, isolated ? 1 : 0);
        });
      })
      .end();
  }

  #address(
    operation: string,
    type: number,
    flags: number,
    link: number,
    address: InterfaceAddress,
    protocol?: number,
  ): this {
    const ip = addressOf(address);
    const bytes = addressBytes(ip);
    const four = bytes.length === 4;
    const header = Buffer.alloc(8); // struct ifaddrmsg
    header[0] = four ? sys.AF_INET : sys.AF_INET6;
    header[1] = lengthOf(address);
    header[2] = four ? 0 : IFA_F_NODAD;
    header.writeUInt32LE(link, 4);
    const messages = this.#begin(operation, type, flags).raw(header);
    messages.bytes(rt.IFA_LOCAL, bytes).bytes(rt.IFA_ADDRESS, bytes);
    if (protocol !== undefined) messages.u8(rt.IFA_PROTO, protocol);
    if (four && type === rt.RTM_NEWADDR && lengthOf(address) < 31) {
      messages.bytes(rt.IFA_BROADCAST, broadcast(ip, lengthOf(address)));
    }
    messages.end();
    return this;
  }

  #route(
    verb: string,
    type: number,
    flags: number,
    route: RouteSpec,
    kind: { readonly scope: number; readonly type: number },
  ): this {
    const { destination, gateway, link, protocol } = route;
    const family = familyOf(destination) === 4 ? sys.AF_INET : sys.AF_INET6;
    const length = lengthOf(destination);
    // struct rtmsg: family, lengths of destination and source, tos, table, protocol, scope, type, flags (4)
    const header = [family, length, 0, 0, RT_TABLE_MAIN, protocol, kind.scope, kind.type, 0, 0, 0, 0];
    const messages = this.#begin(`${verb} route ${destination}`, type, flags).raw(header);
    if (length > 0) messages.bytes(rt.RTA_DST, addressBytes(addressOf(destination)));
    if (gateway !== undefined) messages.bytes(rt.RTA_GATEWAY, addressBytes(gateway));
    messages.u32(rt.RTA_OIF, link).end();
    return this;
  }
}

function writePeer(end: MessageBatch, peer: NewVeth['peer']): void {
  end.raw(linkHeader(0)).text(rt.IFLA_IFNAME, peer.name).u32(rt.IFLA_NET_NS_FD, peer.namespace.fd);
  if (peer.mac !== undefined) end.bytes(rt.IFLA_ADDRESS, macBytes(peer.mac));
  if (peer.mtu !== undefined) end.u32(rt.IFLA_MTU, peer.mtu);
  oneQueue(end);
}

/**
 * As many as an end of a pair uses. Unless told, the kernel makes one for each processor, shows them all in sysfs, and takes all but one
 * back (veth_newlink): 0.2 ms with two processors, and more with more.
 */
function oneQueue(end: MessageBatch): void {
  end.u32(rt.IFLA_NUM_TX_QUEUES, 1).u32(rt.IFLA_NUM_RX_QUEUES, 1);
}

function writeLink(messages: MessageBatch, which: number | string, up?: boolean): MessageBatch {
  if (typeof which === 'number') return messages.raw(linkHeader(which, up));
  return messages.raw(linkHeader(0, up)).text(rt.IFLA_IFNAME, which);
}

/** struct ifinfomsg: family, padding, type (2), index (4), flags (4), which flags to change (4) */
function linkHeader(index: number, up?: boolean): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(up === true ? rt.IFF_UP : 0, 8);
  header.writeUInt32LE(up === undefined ? 0 : rt.IFF_UP, 12);
  return header;
}

/** The last address of the network: `ip address` shows it, and so does a container of Docker's. */
function broadcast(address: IpAddress, length: number): Uint8Array {
  return addressBytes(numberToAddress(4, addressToNumber(address) | ((1n << BigInt(32 - length)) - 1n)));
}
