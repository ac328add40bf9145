import { KernelError } from '../model/errors.ts';
import * as sys from './sys.ts';
import { unixAddress } from './unix-address.ts';

/** Nobody is there, or not at the moment */
const ABSENT = ['ENOENT', 'ECONNREFUSED', 'ENOTCONN', 'EACCES'];

/** A socket that sends datagrams to one path, which Node has no class for. Never blocks. */
export class UnixDatagrams {
  readonly #path: string;
  #fd: number;

  private constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
  }

  /** @param path "@" in front: an abstract one @returns undefined when nobody listens there */
  static connect(path: string): UnixDatagrams | undefined {
    const fd = open(path);
    return fd === undefined ? undefined : new UnixDatagrams(path, fd);
  }

  /**
   * Reaches the one who listens now, when that is another than before.
   * @returns false when the receiver takes no more at the moment, or is not there
   * @throws KernelError EMSGSIZE
   */
  send(bytes: Uint8Array): boolean {
    try {
      sys.send(this.#fd, bytes, sys.MSG_NOSIGNAL);
      return true;
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      if (error.code === 'EAGAIN' || error.code === 'ENOBUFS') return false;
      if (!ABSENT.includes(error.code)) throw error;
      this.#reconnect();
      return false;
    }
  }

  close(): void {
    sys.close(this.#fd);
  }

  #reconnect(): void {
    const fd = open(this.#path);
    if (fd === undefined) return;
    sys.close(this.#fd);
    this.#fd = fd;
  }
}

function open(path: string): number | undefined {
  const fd = sys.socket(sys.AF_UNIX, sys.SOCK_DGRAM, 0);
  try {
    sys.connect(fd, unixAddress(path), `reach ${path}`);
    return fd;
  } catch (error) {
    sys.close(fd);
    if (error instanceof KernelError && ABSENT.includes(error.code)) return undefined;
    throw error;
  }
}
