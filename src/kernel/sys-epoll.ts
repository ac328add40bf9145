import { failure, lazily, libcFunction } from './sys.ts';

/* epoll(7), for many descriptors that hardly ever have anything to say: loaded at the first use. */

interface LibcEpoll {
  create(flags: number): number;
  control(epoll: number, operation: number, fd: number, event: Uint8Array): number;
  wait(epoll: number, events: Uint8Array, count: number, timeout: number): number;
}

const libcEpoll: () => LibcEpoll = lazily(() => ({
  create: libcFunction('int epoll_create1(int)'),
  control: libcFunction('int epoll_ctl(int, int, int, void*)'),
  wait: libcFunction('int epoll_wait(int, void*, int, int)'),
}));

const EPOLL_CLOEXEC = 0x80000;
const EPOLL_CTL_ADD = 1;
const EPOLLIN = 1;
/** Told once, and never again */
const EPOLLONESHOT = 1 << 30;

/** struct epoll_event: the events, and what is told with them. The kernel packs it on x64 alone (EPOLL_PACKED, eventpoll.h). */
const DATA_AT = process.arch === 'x64' ? 4 : 8;
const EVENT_SIZE = DATA_AT + 8;
/** How many are asked for at a time */
const BATCH = 64;

/** epoll_create1(2), close-on-exec. */
export function epollCreate(): number {
  const epoll = libcEpoll().create(EPOLL_CLOEXEC);
  if (epoll < 0) throw failure('make an epoll set');
  return epoll;
}

const event = Buffer.alloc(EVENT_SIZE);

/** epoll_ctl(2): the set becomes readable once when the descriptor can be read. It leaves the set when it is closed. */
export function epollAddOnce(epoll: number, fd: number): void {
  event.writeUInt32LE(EPOLLIN | EPOLLONESHOT);
  event.writeInt32LE(fd, DATA_AT);
  if (libcEpoll().control(epoll, EPOLL_CTL_ADD, fd, event) < 0) throw failure('watch a descriptor');
}

/** epoll_wait(2), which never waits here. @returns descriptors that can be read; there may be more */
export function epollReady(epoll: number): number[] {
  const events = Buffer.alloc(BATCH * EVENT_SIZE);
  const count = libcEpoll().wait(epoll, events, BATCH, 0);
  return Array.from({ length: Math.max(0, count) }, (_, i) => events.readInt32LE(i * EVENT_SIZE + DATA_AT));
}
