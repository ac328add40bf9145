/** ctnetlink: include/uapi/linux/netfilter/nfnetlink_conntrack.h. Numbers are big-endian, but for the filter's flags. */
import { addressFromBytes, familyOf, type IpAddress } from '../model/address.ts';
import { Attributes, fixedHeader, type Message, MessageBatch, NLM_F_ACK } from './netlink.ts';
import { failure, NETLINK_NETFILTER, NetlinkSocket } from './netlink-socket.ts';
import type { NetworkNamespace } from './netns.ts';
import * as sys from './sys.ts';

const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const IPCTNL_MSG_CT_GET_STATS = 5;
const CTA_STATS_GLOBAL_ENTRIES = 1;
/** sizeof(struct nfgenmsg): family, version, resource */
const NFGEN_SIZE = 4;

const CTA_TUPLE_ORIG = 1;
const CTA_STATUS = 3;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_FILTER = 25;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;
const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_FILTER_REPLY_FLAGS = 2;
/** net/netfilter/nf_internals.h: which fields of the given tuple must be equal. Kernels before 5.8 hand over all flows */
const CTA_FILTER_F_CTA_PROTO_NUM = 1 << 3;
const CTA_FILTER_F_CTA_PROTO_DST_PORT = 1 << 5;

/** linux/netfilter/nf_conntrack_common.h */
const IPS_SRC_NAT = 1 << 4;
const IPS_DST_NAT = 1 << 5;

const IPPROTO_UDP = 17;
const ENOENT = 2;

/** Host ports as they are published: `count` of them from `first`. */
export interface PortRange {
  /** "0.0.0.0", "::": any address of that family */
  readonly address: IpAddress;
  readonly first: number;
  readonly count: number;
}

/** What names a flow to the kernel: its family, and copies of its own attributes, by type. */
interface FlowName {
  /** AF_INET, AF_INET6 */
  readonly family: number;
  readonly attributes: readonly (readonly [type: number, value: Buffer])[];
}

/** The connection tracking of a namespace. */
export class Conntrack implements Disposable {
  readonly #socket: NetlinkSocket;

  constructor(namespace?: NetworkNamespace) {
    this.#socket = new NetlinkSocket(NETLINK_NETFILTER, namespace);
  }

  /**
   * Forgets the UDP flows to these ports: the kernel would lead a flow that goes on for as long as it lives to where its first
   * packet went, whatever is published now. What is only masqueraded, on its way to such a port elsewhere, stays.
   * Costs one walk of the kernel's table for each family, whatever is in it (9 ms with its usual 262,144 buckets; none when there is no flow
   * at all), and a message for each flow found; for several ports, one for each UDP flow.
   * @throws KernelError
   */
  forgetUdp(ports: readonly PortRange[]): void {
    if (ports.length === 0 || this.#isEmpty()) return;
    const families = Map.groupBy(ports, ({ address }) => familyNumber(address));
    const flows = [...families].flatMap(([family, own]) =>
      this.#socket.dump(
        (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET,
        (batch) => writeFilter(batch, family, own),
        (message) => flowTo(own, message),
      ),
    );
    if (flows.length === 0) return;
    const batch = new MessageBatch();
    for (const { family, attributes } of flows) {
      begin(batch, family, IPCTNL_MSG_CT_DELETE);
      for (const [type, value] of attributes) batch.bytes(type, value);
      batch.end();
    }
    for (const refused of this.#socket.exchange(batch).failures.values()) {
      if (refused.errno !== ENOENT) throw failure('forget a UDP flow', refused);
    }
  }

  #isEmpty(): boolean {
    const batch = new MessageBatch();
    begin(batch, sys.AF_INET, IPCTNL_MSG_CT_GET_STATS);
    const reply = this.#socket.exchange(batch.end()).echoes[0]?.message;
    if (reply === undefined) return false;
    return Attributes.parse(fixedHeader(reply, NFGEN_SIZE), NFGEN_SIZE).be32(CTA_STATS_GLOBAL_ENTRIES) === 0;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

function begin(batch: MessageBatch, family: number, type: number): void {
  batch.begin((NFNL_SUBSYS_CTNETLINK << 8) | type, NLM_F_ACK).raw([family, 0, 0, 0]);
}

/** The kernel's filter knows equality only: a single port, or all of UDP for a range. */
function writeFilter(batch: MessageBatch, family: number, ports: readonly PortRange[]): void {
  const single = ports.length === 1 && ports[0]?.count === 1 ? ports[0].first : undefined;
  batch.raw([family, 0, 0, 0]);
  batch.nest(CTA_TUPLE_ORIG, (tuple) => {
    tuple.nest(CTA_TUPLE_PROTO, (protocol) => {
      protocol.u8(CTA_PROTO_NUM, IPPROTO_UDP);
      if (single !== undefined) protocol.bytes(CTA_PROTO_DST_PORT, Uint8Array.of(single >> 8, single & 255));
    });
  });
  batch.nest(CTA_FILTER, (filter) => {
    const port = single !== undefined ? CTA_FILTER_F_CTA_PROTO_DST_PORT : 0;
    filter.u32(CTA_FILTER_ORIG_FLAGS, CTA_FILTER_F_CTA_PROTO_NUM | port).u32(CTA_FILTER_REPLY_FLAGS, 0);
  });
}

/** @returns undefined when the flow does not go to these ports */
function flowTo(ports: readonly PortRange[], message: Message): FlowName | undefined {
  const attributes = Attributes.parse(fixedHeader(message, NFGEN_SIZE), NFGEN_SIZE);
  const tuple = attributes.nested(CTA_TUPLE_ORIG);
  const protocol = tuple.nested(CTA_TUPLE_PROTO);
  const port = protocol.bytes(CTA_PROTO_DST_PORT)?.readUInt16BE() ?? 0;
  const ip = tuple.nested(CTA_TUPLE_IP);
  const bytes = ip.bytes(CTA_IP_V4_DST) ?? ip.bytes(CTA_IP_V6_DST);
  if (protocol.u8(CTA_PROTO_NUM) !== IPPROTO_UDP || bytes === undefined) return undefined;
  const address = addressFromBytes(bytes);
  if (!ports.some((range) => covers(range, address, port))) return undefined;
  const status = attributes.be32(CTA_STATUS) ?? 0;
  if ((status & (IPS_SRC_NAT | IPS_DST_NAT)) === IPS_SRC_NAT) return undefined;
  const name = [CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID].flatMap((type) => {
    const value = attributes.bytes(type);
    return value === undefined ? [] : [[type, Buffer.from(value)] as const];
  });
  return { family: familyNumber(address), attributes: name };
}

function covers(range: PortRange, address: IpAddress, port: number): boolean {
  if (port < range.first || port >= range.first + range.count) return false;
  if (familyOf(range.address) !== familyOf(address)) return false;
  return range.address === '0.0.0.0' || range.address === '::' || range.address === address;
}

function familyNumber(address: IpAddress): number {
  return familyOf(address) === 4 ? sys.AF_INET : sys.AF_INET6;
}
