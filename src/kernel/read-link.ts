import { type Message, MessageBatch, NLM_F_ACK } from './netlink.ts';
import { failure, type NetlinkSocket } from './netlink-socket.ts';
import * as rt from './rtnetlink-messages.ts';

/** linux/rtnetlink.h: statistics make up most of a link's description, and nobody asks for them here */
const RTEXT_FILTER_SKIP_STATS = 8;
const ENODEV = 19;

/** @param index 0: any */
export function writeLinkRequest(batch: MessageBatch, index = 0): void {
  const header = Buffer.alloc(16); // struct ifinfomsg
  header.writeInt32LE(index, 4);
  batch.raw(header).u32(rt.IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

/** One link, in time that does not depend on how many there are. @param which index, or name */
export function readLink(socket: NetlinkSocket, which: number | string): rt.LinkInfo | undefined {
  const message = askFor(socket, which);
  return message === undefined ? undefined : rt.parseLink(message);
}

/** Whether a link has a carrier, and the kernel has told everybody (IFF_RUNNING): a bridge forwards to such a port. @param index of it */
export function linkRuns(socket: NetlinkSocket, index: number): boolean {
  const message = askFor(socket, index);
  return message !== undefined && rt.parseRunning(message);
}

function askFor(socket: NetlinkSocket, which: number | string): Message | undefined {
  const batch = new MessageBatch().begin(rt.RTM_GETLINK, NLM_F_ACK);
  writeLinkRequest(batch, typeof which === 'number' ? which : 0);
  if (typeof which === 'string') batch.text(rt.IFLA_IFNAME, which);
  const { echoes, failures } = socket.exchange(batch.end());
  const refused = failures.get(0);
  if (refused !== undefined && refused.errno !== ENODEV) throw failure(`read link ${which}`, refused);
  return echoes[0]?.message;
}
