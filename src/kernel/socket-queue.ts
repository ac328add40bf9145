import { fstatSync, statSync } from 'node:fs';
import * as sys from './sys.ts';
import * as descriptors from './sys-descriptors.ts';

/** Sockets that belong together, under a name */
export type NamedSockets = ReadonlyMap<string, readonly number[]>;

/** Where the holder of a queue has its two ends */
const READING = 0;
const WRITING = 1;
/** Bytes: names of as many sockets as go into one message */
const MESSAGE = 64 << 10;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
/** Bytes, of memory that is taken when it is needed */
const ROOM = 32 << 20;

/**
 * A socket pair, in whose queue sockets lie. They stay open, and what arrives for them is kept, as long as any process has the
 * pair open; that process need not know of them (unix(7), SCM_RIGHTS). A socket holds its network namespace.
 */
export class SocketQueue implements Disposable {
  /** To be given to the process that shall hold the queue */
  readonly ends: readonly [reading: number, writing: number];
  #messages = 0;

  private constructor(ends: readonly [number, number]) {
    this.ends = ends;
  }

  /** @throws KernelError */
  static create(): SocketQueue {
    const [reading, writing] = descriptors.socketPair();
    sys.setsockopt(writing, SOL_SOCKET, SO_SNDBUFFORCE, ROOM);
    return new SocketQueue([reading, writing]);
  }

  /** The queue that a process holds as its standard input and output. @throws KernelError */
  static of(pid: number): SocketQueue {
    const process = descriptors.openProcess(pid);
    try {
      return new SocketQueue([descriptors.descriptorOf(process, READING), descriptors.descriptorOf(process, WRITING)]);
    } finally {
      sys.close(process);
    }
  }

  /** Takes everything out. Of sockets of the same name the last ones count; the others are closed. The caller owns them. */
  takeOut(): Map<string, number[]> {
    const found = new Map<string, number[]>();
    for (;;) {
      const message = descriptors.receiveDescriptors(this.ends[0], MESSAGE);
      if (message === undefined) break;
      const { descriptors: received } = message;
      for (const [name, count] of JSON.parse(message.text) as [string, number][]) {
        for (const fd of found.get(name) ?? []) sys.close(fd);
        found.set(name, received.splice(0, count));
      }
    }
    this.#messages = 0;
    return found;
  }

  /**
   * These shall lie in the queue and no others; nothing in it is read. First come the new ones, so that who dies in between
   * loses none.
   * @throws KernelError
   */
  replace(sockets: NamedSockets): void {
    const former = this.#messages;
    for (const group of grouped(sockets)) {
      const names = group.map(([name, fds]) => [name, fds.length]);
      descriptors.sendDescriptors(
        this.ends[1],
        Buffer.from(JSON.stringify(names)),
        group.flatMap(([, fds]) => fds),
      );
      this.#messages++;
    }
    const nowhere = Buffer.alloc(1);
    for (let message = 0; message < former; message++, this.#messages--)
      sys.recv(this.ends[0], nowhere, descriptors.MSG_DONTWAIT);
  }

  /** Closes it here. Nothing becomes of what lies in it while another process has it open. */
  [Symbol.dispose](): void {
    for (const end of this.ends) sys.close(end);
  }
}

function* grouped(sockets: NamedSockets): Generator<[string, readonly number[]][]> {
  let group: [string, readonly number[]][] = [];
  let count = 0;
  for (const named of sockets) {
    if (count + named[1].length > descriptors.MAX_DESCRIPTORS) {
      yield group;
      [group, count] = [[], 0];
    }
    group.push(named);
    count += named[1].length;
  }
  if (group.length > 0) yield group;
}

/** Whether a socket was made in the namespace that is pinned here; not where nothing is. */
export function isSocketOf(path: string, socket: number): boolean {
  const own = descriptors.namespaceOfSocket(socket);
  try {
    const [a, b] = [fstatSync(own), statSync(path, { throwIfNoEntry: false })];
    return a.dev === b?.dev && a.ino === b.ino;
  } finally {
    sys.close(own);
  }
}
