import { KernelError } from '../model/errors.ts';
import { type Message, parseMessages } from './netlink.ts';
import * as sys from './sys.ts';

/** Datagrams moved by one system call */
const BATCH = 16;
/** Batches read before others have their turn: who changes links all the time shall not keep the daemon from answering */
const BATCHES_PER_TURN = 4;
/** An event is one message, of some 2 KiB for a link; one with many virtual functions may take more */
const SLOT = 16 << 10;
/** struct mmsghdr (recvmmsg(2)) of a 64-bit system: struct msghdr of 56 bytes, then the message's length and padding */
const HEADER = 64;
const VECTOR = 16;
const VECTOR_COUNT = 24;
const CONTROL = 32;
const CONTROL_LENGTH = 40;
const FLAGS = 48;
const LENGTH = 56;
/** struct iovec: address and length */
const IOVEC = 16;
/** struct cmsghdr (cmsg(3)): length of 8 bytes, level and type of 4, then an int with the number, padded to 8 */
const CMSG = 24;
const CMSG_LEVEL = 8;
const CMSG_TYPE = 12;
const CMSG_DATA = 16;
const SOL_NETLINK = 270;
const NETLINK_LISTEN_ALL_NSID = 8;

/**
 * Reads a netlink socket that listens, many datagrams a system call. Where it listens everywhere, each comes with the number of the
 * namespace it is from.
 */
export class NumberedDatagrams {
  readonly #headers = Buffer.allocUnsafeSlow(BATCH * HEADER).fill(0);
  readonly #vectors = Buffer.allocUnsafeSlow(BATCH * IOVEC).fill(0);
  readonly #controls = Buffer.allocUnsafeSlow(BATCH * CMSG).fill(0);
  readonly #data = Buffer.allocUnsafeSlow(BATCH * SLOT);

  constructor() {
    for (let index = 0; index < BATCH; index++) {
      this.#vectors.writeBigUInt64LE(sys.addressOf(this.#data) + BigInt(index * SLOT), index * IOVEC);
      this.#vectors.writeBigUInt64LE(BigInt(SLOT), index * IOVEC + 8);
      const at = index * HEADER;
      this.#headers.writeBigUInt64LE(sys.addressOf(this.#vectors) + BigInt(index * IOVEC), at + VECTOR);
      this.#headers.writeBigUInt64LE(1n, at + VECTOR_COUNT);
      this.#headers.writeBigUInt64LE(sys.addressOf(this.#controls) + BigInt(index * CMSG), at + CONTROL);
    }
  }

  /**
   * Hands over messages that wait, in their order, as far as a turn goes: more may wait. The listener must neither keep the payload nor use a socket.
   * @param listener told the number of the namespace; undefined: the socket's own
   * @returns whether nothing waits any more
   * @throws KernelError ENOBUFS when messages were lost; call again for those that were not
   */
  drain(fd: number, listener: (message: Message, namespace: number | undefined) => void): boolean {
    for (let batch = 0; batch < BATCHES_PER_TURN; batch++) {
      for (let index = 0; index < BATCH; index++) {
        this.#headers.writeBigUInt64LE(BigInt(CMSG), index * HEADER + CONTROL_LENGTH);
      }
      const count = sys.recvmmsg(fd, this.#headers, BATCH);
      for (let index = 0; index < count; index++) {
        const namespace = this.#namespaceOf(index);
        for (const message of parseMessages(this.#datagram(index))) listener(message, namespace);
      }
      if (count < BATCH) return true;
    }
    return false;
  }

  /** Leaves out whatever waits: after a loss everything is read anyway, and a full queue would soon lose more. */
  discard(fd: number): void {
    for (let count = BATCH; count === BATCH; ) {
      try {
        count = sys.recvmmsg(fd, this.#headers, BATCH);
      } catch (error) {
        if (!(error instanceof KernelError) || error.code !== 'ENOBUFS') throw error;
      }
    }
  }

  #datagram(index: number): Buffer {
    const at = index * HEADER;
    if ((this.#headers.readUInt32LE(at + FLAGS) & sys.MSG_TRUNC) !== 0) {
      throw new KernelError({ operation: 'hear from the kernel', errno: 105, sentence: 'a long event' }, 'ENOBUFS');
    }
    return this.#data.subarray(index * SLOT, index * SLOT + this.#headers.readUInt32LE(at + LENGTH));
  }

  #namespaceOf(index: number): number | undefined {
    const at = index * CMSG;
    const length = this.#headers.readBigUInt64LE(index * HEADER + CONTROL_LENGTH);
    if (length < BigInt(CMSG_DATA + 4)) return undefined;
    const control = this.#controls;
    const level = control.readInt32LE(at + CMSG_LEVEL);
    const type = control.readInt32LE(at + CMSG_TYPE);
    return level === SOL_NETLINK && type === NETLINK_LISTEN_ALL_NSID ? control.readInt32LE(at + CMSG_DATA) : undefined;
  }
}
