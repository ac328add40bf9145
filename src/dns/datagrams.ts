import * as sys from '../kernel/sys.ts';

/** Messages moved by one system call */
const BATCH = 32;
/** struct mmsghdr (recvmmsg(2)) of a 64-bit system: struct msghdr of 56 bytes, then the message's length and padding */
const HEADER = 64;
const NAME = 0;
const NAME_LENGTH = 8;
const VECTOR = 16;
const VECTOR_COUNT = 24;
const FLAGS = 48;
const LENGTH = 56;
/** struct iovec: address and length */
const IOVEC = 16;
/** struct sockaddr_in (ip(7)) */
const SOCKADDR = 16;
/** UDP carries no more than a 16-bit length says */
const LARGEST = 65_535;

/**
 * Memory the kernel reads and writes datagrams in, 32 at a time; one for any number of IPv4 sockets, since each call is
 * done with it on return.
 */
export class DatagramBatch {
  readonly #slot: number;
  readonly #incoming: Slots;
  readonly #outgoing: Slots;
  readonly #single: Slots;
  #queued = 0;

  /** @param slot bytes of the largest datagram that is received, or sent in a batch */
  constructor(slot: number) {
    this.#slot = slot;
    this.#incoming = new Slots(BATCH, slot);
    this.#outgoing = new Slots(BATCH, slot);
    this.#single = new Slots(1, LARGEST);
  }

  /**
   * Reads what waits, as far as one batch goes. `each` gets views that hold until the next call; replies it queues
   * meanwhile are sent together at the end. What is larger than a slot is left out.
   * @returns whether more may wait
   */
  receive(fd: number, each: (message: Buffer, peer: Buffer) => void): boolean {
    const { headers } = this.#incoming;
    for (let index = 0; index < BATCH; index++) headers.writeUInt32LE(SOCKADDR, index * HEADER + NAME_LENGTH);
    const count = receiveSome(fd, headers);
    for (let index = 0; index < count; index++) {
      const at = index * HEADER;
      if ((headers.readUInt32LE(at + FLAGS) & sys.MSG_TRUNC) !== 0) continue;
      each(this.#incoming.data(index, headers.readUInt32LE(at + LENGTH)), this.#incoming.peer(index));
    }
    this.#flush(fd);
    return count === BATCH;
  }

  /** Adds a reply to what goes out at the end of receive(). At most one for each message received. */
  queue(fd: number, message: Buffer, peer: Buffer): void {
    if (message.length > this.#slot) {
      this.send(fd, message, peer);
      return;
    }
    this.#outgoing.fill(this.#queued++, message, peer);
    if (this.#queued === BATCH) this.#flush(fd);
  }

  /** Sends one datagram of any size now. What cannot be sent is lost, as datagrams may be. */
  send(fd: number, message: Buffer, peer: Buffer): void {
    this.#single.fill(0, message, peer);
    sendSome(fd, this.#single.headers, 1);
  }

  #flush(fd: number): void {
    const count = this.#queued;
    this.#queued = 0;
    for (let start = 0; start < count; ) {
      const sent = sendSome(fd, this.#outgoing.headers.subarray(start * HEADER), count - start);
      // One that cannot be sent (a port of 0, a sandbox that forbids it) does not keep back those behind it
      start += Math.max(sent, 1);
    }
  }
}

/** An error here is a passing one (no memory): what it hit is lost, and the next call goes on behind it. */
function receiveSome(fd: number, headers: Buffer): number {
  try {
    return sys.recvmmsg(fd, headers, BATCH);
  } catch {
    return 0;
  }
}

function sendSome(fd: number, headers: Buffer, count: number): number {
  try {
    return sys.sendmmsg(fd, headers, count);
  } catch {
    return 0;
  }
}

/** Headers that point at their data and addresses once and for all. */
class Slots {
  readonly headers: Buffer;
  readonly #data: Buffer;
  readonly #peers: Buffer;
  readonly #vectors: Buffer;
  readonly #size: number;

  constructor(count: number, size: number) {
    this.headers = Buffer.allocUnsafeSlow(count * HEADER).fill(0);
    this.#data = Buffer.allocUnsafeSlow(count * size);
    this.#peers = Buffer.allocUnsafeSlow(count * SOCKADDR);
    this.#vectors = Buffer.allocUnsafeSlow(count * IOVEC);
    this.#size = size;
    for (let index = 0; index < count; index++) {
      const at = index * HEADER;
      this.headers.writeBigUInt64LE(sys.addressOf(this.#peers) + BigInt(index * SOCKADDR), at + NAME);
      this.headers.writeUInt32LE(SOCKADDR, at + NAME_LENGTH);
      this.headers.writeBigUInt64LE(sys.addressOf(this.#vectors) + BigInt(index * IOVEC), at + VECTOR);
      this.headers.writeBigUInt64LE(1n, at + VECTOR_COUNT);
      this.#vectors.writeBigUInt64LE(sys.addressOf(this.#data) + BigInt(index * size), index * IOVEC);
      this.#vectors.writeBigUInt64LE(BigInt(size), index * IOVEC + 8);
    }
  }

  data(index: number, length: number): Buffer {
    return this.#data.subarray(index * this.#size, index * this.#size + length);
  }

  peer(index: number): Buffer {
    return this.#peers.subarray(index * SOCKADDR, (index + 1) * SOCKADDR);
  }

  fill(index: number, message: Buffer, peer: Buffer): void {
    message.copy(this.#data, index * this.#size);
    peer.copy(this.#peers, index * SOCKADDR);
    // The high half stays zero: a datagram's length has 16 bits
    this.#vectors.writeUInt32LE(message.length, index * IOVEC + 8);
  }
}
