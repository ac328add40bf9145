import { KernelError } from '../model/errors.ts';
import * as sys from './sys.ts';
import { unixAddress } from './unix-address.ts';

/** ETIMEDOUT */
const TIMED_OUT = 110;
const CHUNK = 64 << 10;

/** A connection to a service of this machine that is spoken to in the middle of other synchronous work. */
export class UnixStream implements Disposable {
  readonly #path: string;
  readonly #fd: number;
  readonly #patience: number;

  /**
   * @param patience milliseconds each send and receive may wait
   * @throws KernelError ENOENT or ECONNREFUSED when nobody listens there, EAGAIN when too many wait already
   */
  constructor(path: string, patience: number) {
    this.#path = path;
    this.#patience = patience;
    this.#fd = sys.socket(sys.AF_UNIX, sys.SOCK_STREAM, 0);
    try {
      sys.connect(this.#fd, unixAddress(path), `reach ${path}`);
    } catch (error) {
      sys.close(this.#fd);
      throw error;
    }
  }

  /** All of it. @throws KernelError ETIMEDOUT, EPIPE */
  send(bytes: Uint8Array): void {
    for (let sent = 0; sent < bytes.length; ) {
      this.#wait(sys.POLLOUT);
      sent += sys.send(this.#fd, bytes.subarray(sent), sys.MSG_NOSIGNAL);
    }
  }

  /** What has arrived, at least a byte. @throws KernelError ETIMEDOUT when nothing does, EPIPE when the other side has ended */
  receive(): Buffer {
    this.#wait(sys.POLLIN);
    const chunk = Buffer.alloc(CHUNK);
    const size = sys.recv(this.#fd, chunk) ?? 0;
    if (size === 0) throw new KernelError({ operation: `read from ${this.#path}`, errno: 32, sentence: '' }, 'EPIPE');
    return chunk.subarray(0, size);
  }

  [Symbol.dispose](): void {
    sys.close(this.#fd);
  }

  #wait(events: number): void {
    if (sys.poll(this.#fd, events, this.#patience)) return;
    throw new KernelError({ operation: `wait for ${this.#path}`, errno: TIMED_OUT, sentence: '' }, 'ETIMEDOUT');
  }
}
