import { addressBytes, type IpAddress } from '../model/address.ts';
import type { NetworkNamespace } from './netns.ts';
import {
  accept,
  type Expression,
  type HeaderField,
  matchField,
  matchOtherLink,
  matchProtocol,
  NftTransaction,
  NftVisit,
  notrack,
  setField,
} from './nfnetlink.ts';

/** Where a sandbox's resolver is asked, and where its sockets really are. */
export interface ResolverRedirect {
  /** What resolv.conf names: 127.0.0.11 */
  readonly address: IpAddress;
  /** Bound on `address` in the sandbox */
  readonly udpPort: number;
  readonly tcpPort: number;
}

/** Of the family ip, in sandboxes */
export const RESOLVER_TABLE = 'fairway-resolver';
const CHAIN = 'output';
const NF_INET_LOCAL_OUT = 3;
/** Before connection tracking: NF_IP_PRI_RAW */
const PRIORITY_RAW = -300;
const DNS_PORT = 53;
/** include/net/net_namespace.h: LOOPBACK_IFINDEX */
const LO = 1;

/** struct iphdr; the ports lie alike in UDP and TCP */
const SOURCE: HeaderField = { base: 1, offset: 12, length: 4 };
const DESTINATION: HeaderField = { base: 1, offset: 16, length: 4 };
const SOURCE_PORT: HeaderField = { base: 2, offset: 0, length: 2 };
const DESTINATION_PORT: HeaderField = { base: 2, offset: 2, length: 2 };

interface Transport {
  /** IPPROTO_* */
  readonly number: number;
  /** Of the checksum in the header, in bytes */
  readonly checksum: number;
}
const UDP: Transport = { number: 17, checksum: 6 };
const TCP: Transport = { number: 6, checksum: 16 };

/**
 * Leads port 53 of the resolver's address to its sockets, inside the namespace and for what is sent from there. A redirect
 * that is there already is replaced in one transaction, without a moment between.
 *
 * By netlink itself, in 0.26 ms: libnftables opens a context for each namespace, and its select(2) aborts the process
 * when a context's socket has a number of 1024 or more, as it has with some hundred sandboxes.
 * @throws KernelError
 */
export function nftResolverRedirect(namespace: NetworkNamespace, redirect: ResolverRedirect): void {
  using visit = new NftVisit(namespace);
  const transaction = new NftTransaction();
  if (visit.hasTable(RESOLVER_TABLE)) transaction.deleteTable(RESOLVER_TABLE);
  visit.commit(fill(transaction.addTable(RESOLVER_TABLE), redirect));
}

/** Takes the redirect away; a missing one is fine. @throws KernelError */
export function removeResolverRedirect(namespace: NetworkNamespace): void {
  using visit = new NftVisit(namespace);
  if (visit.hasTable(RESOLVER_TABLE)) visit.commit(new NftTransaction().deleteTable(RESOLVER_TABLE));
}

/**
 * Questions and answers are rewritten packet by packet on their way out: no address translation, and no connection to track
 * for every question. Before connection tracking (raw), so that a firewall of the container's own sees them as untracked,
 * never as invalid. What listens on 0.0.0.0:53 in the sandbox is not concerned.
 */
function fill(transaction: NftTransaction, { address, udpPort, tcpPort }: ResolverRedirect): NftTransaction {
  transaction.addChain(RESOLVER_TABLE, { name: CHAIN, hook: NF_INET_LOCAL_OUT, priority: PRIORITY_RAW });
  // What leaves the sandbox, one comparison.
  transaction.addRule(RESOLVER_TABLE, CHAIN, [...matchOtherLink(LO), accept]);
  for (const [transport, port] of [
    [UDP, udpPort],
    [TCP, tcpPort],
  ] as const) {
    transaction.addRule(
      RESOLVER_TABLE,
      CHAIN,
      rewrite(transport, address, DESTINATION, DESTINATION_PORT, DNS_PORT, port),
    );
    transaction.addRule(RESOLVER_TABLE, CHAIN, rewrite(transport, address, SOURCE, SOURCE_PORT, port, DNS_PORT));
  }
  return transaction;
}

function rewrite(
  { number, checksum }: Transport,
  address: IpAddress,
  side: HeaderField,
  portField: HeaderField,
  from: number,
  to: number,
): Expression[] {
  return [
    ...matchField(side, addressBytes(address)),
    ...matchProtocol(number),
    ...matchField(portField, portBytes(from)),
    ...setField(portField, portBytes(to), checksum),
    notrack,
  ];
}

function portBytes(port: number): Uint8Array {
  return Uint8Array.of(port >> 8, port & 0xff);
}
