import { close } from 'node:fs';
import { KernelError } from '../model/errors.ts';
import { errnoName } from './errno.ts';
import {
  type Acknowledgement,
  type Message,
  MessageBatch,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  parseAcknowledgement,
  parseMessages,
} from './netlink.ts';
import type { NetworkNamespace } from './netns.ts';
import * as sys from './sys.ts';

/** linux/netlink.h */
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_LISTEN_ALL_NSID = 8;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

/** A dump's datagram has at most 32 KiB (NLMSG_GOODSIZE); the rest is for a link with many virtual functions. */
const RECEIVE_SIZE = 64 << 10;
/** Limits, not memory: the default holds 256 acknowledgements only, this one some ten thousand. */
const QUEUE_SIZE = 16 << 20;
/** Of a socket that listens, and may be slow to read: ten thousand changes of links. What is lost means that everything is read */
const EVENT_QUEUE_SIZE = 32 << 20;
/** struct sock_filter (linux/filter.h): code (2), jumps if true and if false, operand (4) */
const FILTER_STEP = 8;
/** A dump during which the kernel's tables changed is asked for again, but not for ever. */
const MAX_DUMPS = 20;

/** One instruction of classic BPF: code, jumps if true and if false, operand. */
export type FilterStep = readonly [code: number, yes: number, no: number, operand: number];

/** What the kernel made, told by a message like the one that asked for it. */
interface Echo {
  /** The number in the batch of the message that asked */
  readonly number: number;
  /** Its payload is a copy */
  readonly message: Message;
}

/** What the kernel answered to a batch. */
export interface Reply {
  /** In the order they came */
  readonly echoes: readonly Echo[];
  /** What was refused, by the message's number in the batch. An entry for a message without NLM_F_ACK ends the batch */
  readonly failures: ReadonlyMap<number, Acknowledgement>;
}

/** A netlink socket of one protocol, living in one namespace wherever the caller is. netlink(7) */
export class NetlinkSocket implements Disposable {
  /** Shared by all sockets, of which there is one for every sandbox: what arrives is read before anything else is asked */
  static readonly #buffer = Buffer.allocUnsafeSlow(RECEIVE_SIZE);
  readonly fd: number;
  #sequence = 1;

  /** @param protocol NETLINK_* @param namespace where it lives; unless told, where the caller is. Needs CAP_NET_ADMIN */
  constructor(protocol: number, namespace?: NetworkNamespace) {
    const open = () => sys.socket(sys.AF_NETLINK, sys.SOCK_RAW, protocol);
    this.fd = namespace === undefined ? open() : namespace.run(open);
    try {
      sys.setsockopt(this.fd, SOL_SOCKET, SO_SNDBUFFORCE, QUEUE_SIZE);
      sys.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_SIZE);
      sys.setsockopt(this.fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
      sys.setsockopt(this.fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
      sys.setsockopt(this.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
    } catch (error) {
      sys.close(this.fd);
      throw error;
    }
  }

  /** Subscribes to multicast groups, numbered from 1 to 32 (RTNLGRP_*, NFNLGRP_*). Such a socket only listens. */
  join(groups: readonly number[]): void {
    const address = Buffer.alloc(12); // struct sockaddr_nl: family, padding, port, groups
    address.writeUInt16LE(sys.AF_NETLINK, 0);
    address.writeUInt32LE(
      groups.reduce((mask, group) => (mask | (1 << (group - 1))) >>> 0, 0),
      8,
    );
    sys.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUFFORCE, EVENT_QUEUE_SIZE);
    sys.bind(this.fd, address, 'join netlink groups');
  }

  /** Lets the kernel leave out messages before they are queued: socket(7), SO_ATTACH_FILTER. To be said before joining. */
  filter(program: readonly FilterStep[]): void {
    const steps = Buffer.allocUnsafeSlow(program.length * FILTER_STEP);
    for (const [index, [code, yes, no, operand]] of program.entries()) {
      const at = steps.writeUInt16LE(code, index * FILTER_STEP);
      steps.writeUInt32LE(operand, steps.writeUInt8(no, steps.writeUInt8(yes, at)));
    }
    const header = Buffer.alloc(16); // struct sock_fprog: length, padding, address
    header.writeUInt16LE(program.length);
    header.writeBigUInt64LE(sys.addressOf(steps), 8);
    sys.setsockopt(this.fd, SOL_SOCKET, SO_ATTACH_FILTER, header);
  }

  /** What happens in namespaces that have a number here is told as well: see NumberedDatagrams. netlink(7), NETLINK_LISTEN_ALL_NSID */
  listenEverywhere(): void {
    sys.setsockopt(this.fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1);
  }

  /**
   * Sends the batch in one system call and collects what the kernel answers. A batch is sent once. The kernel works while
   * it is being sent, so an answer that is not there by then never comes.
   * @throws KernelError when sending fails or an answer is missing; not for refusals, which are in the reply
   */
  exchange(batch: MessageBatch): Reply {
    const base = this.#send(batch);
    const waiting = new Set(batch.acknowledged);
    const echoes: Echo[] = [];
    const failures = new Map<number, Acknowledgement>();
    while (waiting.size > 0) {
      for (const message of this.#receive()) {
        const number = (message.sequence - base) >>> 0;
        if (number >= batch.count) continue; // a late answer to an earlier batch
        if (message.type !== NLMSG_ERROR) {
          echoes.push({ number, message: { ...message, payload: Buffer.from(message.payload) } });
          continue;
        }
        const acknowledgement = parseAcknowledgement(message);
        if (acknowledgement.errno !== 0) failures.set(number, acknowledgement);
        if (!waiting.delete(number)) waiting.clear(); // the frame of a transaction was refused, and all within
      }
    }
    return { echoes, failures };
  }

  /**
   * Asks for all objects of a kind. A dump that was interrupted by a change is thrown away and repeated.
   * @param write appends the family's header, and attributes that narrow the dump
   * @param read what to keep of a message; undefined: nothing. It must neither keep the payload nor use a socket
   */
  dump<T>(type: number, write: (batch: MessageBatch) => void, read: (message: Message) => T | undefined): T[] {
    for (let attempt = 0; attempt < MAX_DUMPS; attempt++) {
      const found = this.#dumpOnce(type, write, read);
      if (found !== undefined) return found;
    }
    throw new KernelError({ operation: 'list kernel objects', errno: 4, sentence: 'they keep changing' }, 'EINTR');
  }

  #dumpOnce<T>(
    type: number,
    write: (batch: MessageBatch) => void,
    read: (message: Message) => T | undefined,
  ): T[] | undefined {
    const batch = new MessageBatch().begin(type, NLM_F_DUMP);
    write(batch);
    const base = this.#send(batch.end());
    const found: T[] = [];
    let interrupted = false;
    for (;;) {
      for (const message of this.#receive()) {
        if (message.sequence !== base) continue;
        if (message.flags & NLM_F_DUMP_INTR) interrupted = true;
        if (message.type === NLMSG_ERROR) throw failure('list kernel objects', parseAcknowledgement(message));
        if (message.type === NLMSG_DONE) return finished(message) || interrupted ? undefined : found;
        const item = interrupted ? undefined : read(message);
        if (item !== undefined) found.push(item);
      }
    }
  }

  [Symbol.dispose](): void {
    sys.close(this.fd);
  }

  /** In place of disposing of it: closes it in another thread, where close(2) may take its time. */
  closeBehind(): void {
    close(this.fd, () => undefined);
  }

  #send(batch: MessageBatch): number {
    const base = this.#sequence;
    this.#sequence = (base + batch.count) >>> 0;
    sys.send(this.fd, batch.finish(base));
    return base;
  }

  #receive(): Message[] {
    const datagram = this.#datagram();
    if (datagram !== undefined) return parseMessages(datagram);
    throw new KernelError({ operation: 'hear from the kernel', errno: 61, sentence: 'no answer' }, 'ENODATA');
  }

  #datagram(): Buffer | undefined {
    const buffer = NetlinkSocket.#buffer;
    const size = sys.recv(this.fd, buffer, sys.MSG_TRUNC);
    if (size === undefined) return undefined;
    if (size <= buffer.length) return buffer.subarray(0, size);
    const sentence = `an answer of ${size} bytes`;
    throw new KernelError({ operation: 'hear from the kernel', errno: 90, sentence }, 'EMSGSIZE');
  }
}

/** @param operation "add link veth1a2b3c" */
export function failure(operation: string, refused: Acknowledgement): KernelError {
  return new KernelError({ operation, ...refused }, errnoName(refused.errno));
}

/** Reads NLMSG_DONE, which carries the dump's errno. @returns whether the dump must be repeated */
function finished(message: Message): boolean {
  const errno = message.payload.length >= 4 ? 0 - message.payload.readInt32LE(0) : 0;
  const EINTR = 4;
  if (errno !== 0 && errno !== EINTR) throw failure('list kernel objects', { errno, sentence: '' });
  return errno === EINTR;
}
