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
 * Memory the kernel writes datagrams into, 32 at a time; one for any number of sockets, since each call is done with it on
 * return.
 */
export class IncomingDatagrams {
  readonly #slots: Slots;

  /** @param slot bytes of the largest datagram that is taken; what is larger is left out */
  constructor(slot: number) {
    this.#slots = new Slots(BATCH, slot);
  }

  /**
   * Reads what waits, as far as one batch goes. `each` gets views that hold until the next call; of an IPv6 peer it is the
   * beginning only.
   * @returns whether more may wait
   * @throws KernelError what an earlier datagram brought about (ECONNREFUSED), or a passing trouble (ENOMEM)
   */
  receive(fd: number, each: (message: Buffer, peer: Buffer) => void): boolean {
    const { headers } = this.#slots;
    for (let index = 0; index < BATCH; index++) headers.writeUInt32LE(SOCKADDR, index * HEADER + NAME_LENGTH);
    const count = sys.recvmmsg(fd, headers, BATCH);
    for (let index = 0; index < count; index++) {
      const at = index * HEADER;
      if ((headers.readUInt32LE(at + FLAGS) & sys.MSG_TRUNC) !== 0) continue;
      each(this.#slots.data(index, headers.readUInt32LE(at + LENGTH)), this.#slots.peer(index));
    }
    return count === BATCH;
  }
}

/**
 * Memory the kernel reads datagrams from, 32 at a time. What is queued goes out together when the batch is full, when
 * another socket comes, at flush(), and at the end of the current turn at the latest.
 */
export class OutgoingDatagrams {
  readonly #slot: number;
  readonly #slots: Slots;
  readonly #single: Slots;
  readonly #onError: (fd: number) => void;
  #fd = -1;
  #queued = 0;
  #scheduled = false;

  /**
   * @param slot bytes of the largest datagram that is sent in a batch; a larger one goes alone, at once
   * @param onError told, in a turn of its own, which socket's datagram could not be sent, or told of an earlier one's end
   */
  constructor(slot: number, onError: (fd: number) => void = () => undefined) {
    this.#slot = slot;
    this.#onError = onError;
    this.#slots = new Slots(BATCH, slot);
    this.#single = new Slots(1, LARGEST);
  }

  /** What cannot be sent is lost, as datagrams may be. @param peer undefined: whom the socket is connected to */
  queue(fd: number, message: Buffer, peer: Buffer | undefined): void {
    if (message.length > this.#slot) {
      this.#single.fill(0, message, peer);
      this.#send(fd, this.#single.headers, 1);
      return;
    }
    if (fd !== this.#fd) this.flush();
    this.#fd = fd;
    this.#slots.fill(this.#queued++, message, peer);
    if (this.#queued === BATCH) this.flush();
    else this.#flushLater();
  }

  /** A DNS message whose first two bytes are replaced by an id. @param message fits a slot */
  queueAs(fd: number, message: Buffer, id: number): void {
    if (fd !== this.#fd) this.flush();
    this.#fd = fd;
    this.#slots.fill(this.#queued, message, undefined);
    this.#slots.data(this.#queued++, 2).writeUInt16BE(id);
    if (this.#queued === BATCH) this.flush();
    else this.#flushLater();
  }

  flush(): void {
    const count = this.#queued;
    this.#queued = 0;
    for (let start = 0; start < count; ) {
      const sent = this.#send(this.#fd, this.#slots.headers.subarray(start * HEADER), count - start);
      // One that cannot be sent (a port of 0, a sandbox that forbids it) does not keep back those behind it
      start += Math.max(sent, 1);
    }
  }

  /** Before a socket is closed: its number may be another's soon. */
  forget(fd: number): void {
    if (fd === this.#fd) this.#queued = 0;
  }

  #send(fd: number, headers: Buffer, count: number): number {
    try {
      return sys.sendmmsg(fd, headers, count);
    } catch {
      queueMicrotask(() => this.#onError(fd));
      return 0;
    }
  }

  #flushLater(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.flush();
    });
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

  /** @param peer undefined: none is named, which the kernel takes as an address of no length (send(2)) */
  fill(index: number, message: Buffer, peer: Buffer | undefined): void {
    message.copy(this.#data, index * this.#size);
    peer?.copy(this.#peers, index * SOCKADDR);
    this.headers.writeUInt32LE(peer === undefined ? 0 : SOCKADDR, index * HEADER + NAME_LENGTH);
    // The high half stays zero: a datagram's length has 16 bits
    this.#vectors.writeUInt32LE(message.length, index * IOVEC + 8);
  }
}
