import type { NetworkNamespace } from './netns.ts';
import { watchReadable } from './poll.ts';
import * as sys from './sys.ts';

/** packet(7), linux/if_packet.h, linux/if_ether.h */
const AF_PACKET = 17;
const PROTOCOLS = { ip: 0x0800, arp: 0x0806 } as const;
/** Ethernet's largest frame without jumbo frames, and some room */
const FRAME = 2048;
/** Frames read in one go: on a busy link others must have their turn, too */
const BURST = 64;

/**
 * Whole Ethernet frames of IPv4 or of ARP on one link, in and out; it works before the link has an address. Every frame that arrives
 * is copied here, so it should be open only while something is awaited.
 */
export class PacketSocket implements Disposable {
  readonly #fd: number;
  readonly #watch: Disposable;

  /** @param link index in that namespace @param listener called on the main thread; it may dispose the socket */
  constructor(
    namespace: NetworkNamespace,
    link: number,
    kind: keyof typeof PROTOCOLS,
    listener: (frame: Buffer) => void,
  ) {
    const protocol = ((PROTOCOLS[kind] & 0xff) << 8) | (PROTOCOLS[kind] >> 8); // htons
    // Without a protocol it hears nothing yet: else frames of other links would come before bind.
    this.#fd = namespace.run(() => sys.socket(AF_PACKET, sys.SOCK_RAW, 0));
    try {
      const address = Buffer.alloc(20); // struct sockaddr_ll: family, protocol, index, …
      address.writeUInt16LE(AF_PACKET, 0);
      address.writeUInt16LE(protocol, 2);
      address.writeInt32LE(link, 4);
      sys.bind(this.#fd, address, 'listen on a link');
      this.#watch = watchReadable(this.#fd, () => this.#read(listener));
    } catch (error) {
      sys.close(this.#fd);
      throw error;
    }
  }

  /** @throws KernelError ENETDOWN while the link is down */
  send(frame: Uint8Array): void {
    sys.send(this.#fd, frame);
  }

  #read(listener: (frame: Buffer) => void): void {
    const frames: Buffer[] = [];
    const buffer = Buffer.alloc(FRAME);
    while (frames.length < BURST) {
      const size = sys.recv(this.#fd, buffer, 0);
      if (size === undefined) break;
      frames.push(Buffer.from(buffer.subarray(0, size)));
    }
    for (const frame of frames) listener(frame);
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    sys.close(this.#fd);
  }
}
