import koffi from 'koffi';
import { KernelError } from '../model/errors.ts';
import { errnoName } from './errno.ts';

/*
 * The only door to system calls Node lacks. Thin: one function for one call of libc, libuv or libnftables, each returning
 * what the call returns (≥ 0) or throwing KernelError with the errno's name. Numbers below are those of x64 and arm64.
 */

/** An address in the process, as koffi hands it out. */
export type Pointer = unknown;

const libc = koffi.load('libc.so.6');

const native: {
  open(path: string, flags: number, mode: number): number;
  close(fd: number): number;
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array, size: number): number;
  connect(fd: number, address: Uint8Array, size: number): number;
  listen(fd: number, backlog: number): number;
  getsockname(fd: number, address: Uint8Array, size: Uint8Array): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array, size: number): number;
  send(fd: number, bytes: Uint8Array, size: number, flags: number): number;
  recv(fd: number, into: Uint8Array, size: number, flags: number): number;
  recvmmsg(fd: number, headers: Uint8Array, count: number, flags: number, timeout: null): number;
  sendmmsg(fd: number, headers: Uint8Array, count: number, flags: number): number;
  setns(fd: number, type: number): number;
  unshare(flags: number): number;
  mount(source: string, target: string, type: string | null, flags: number, data: string | null): number;
  umount2(target: string, flags: number): number;
  mkfifo(path: string, mode: number): number;
  ioctl(fd: number, request: number, value: Uint8Array): number;
  splice(from: number, fromAt: null, to: number, toAt: Uint8Array, size: number, flags: number): number;
} = {
  open: libc.func('int open(const char*, int, int)'),
  close: libc.func('int close(int)'),
  socket: libc.func('int socket(int, int, int)'),
  bind: libc.func('int bind(int, void*, uint32_t)'),
  connect: libc.func('int connect(int, void*, uint32_t)'),
  listen: libc.func('int listen(int, int)'),
  getsockname: libc.func('int getsockname(int, void*, void*)'),
  setsockopt: libc.func('int setsockopt(int, int, int, void*, uint32_t)'),
  send: libc.func('long send(int, void*, size_t, int)'),
  recv: libc.func('long recv(int, void*, size_t, int)'),
  recvmmsg: libc.func('int recvmmsg(int, void*, uint32_t, int, void*)'),
  sendmmsg: libc.func('int sendmmsg(int, void*, uint32_t, int)'),
  setns: libc.func('int setns(int, int)'),
  unshare: libc.func('int unshare(int)'),
  mount: libc.func('int mount(const char*, const char*, const char*, unsigned long, const char*)'),
  umount2: libc.func('int umount2(const char*, int)'),
  mkfifo: libc.func('int mkfifo(const char*, uint32_t)'),
  ioctl: libc.func('int ioctl(int, unsigned long, void*)'),
  splice: libc.func('long splice(int, void*, int, void*, size_t, uint32_t)'),
};

/** A function of libc by its prototype, for those that are rarely needed. */
export function libcFunction<F>(prototype: string): F {
  return libc.func(prototype) as unknown as F;
}

const EINTR = 4;
const EAGAIN = 11;

/** Calls that most daemons never make. */
const rare = lazily(() => ({
  poll: libcFunction<(fds: Uint8Array, count: number, timeout: number) => number>(
    'int poll(void*, unsigned long, int)',
  ),
}));

/** The error of the last call of this thread. */
export function failure(operation: string): KernelError {
  const errno = koffi.errno();
  return new KernelError({ operation, errno, sentence: '' }, errnoName(errno));
}

/** O_CLOEXEC | O_RDONLY, fcntl.h: what is opened here never leaks into a child. */
export const O_CLOEXEC = 0x80000;

/** open(2) for reading, close-on-exec. */
export function open(path: string): number {
  const fd = native.open(path, O_CLOEXEC, 0);
  if (fd < 0) throw failure(`open ${path}`);
  return fd;
}

/** close(2). Never throws: whatever it says, the descriptor is gone. */
export function close(fd: number): void {
  native.close(fd);
}

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;

/** socket(2), close-on-exec and never blocking. */
export function socket(family: number, type: number, protocol: number): number {
  const fd = native.socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) throw failure('open a socket');
  return fd;
}

/** bind(2). @param address a struct sockaddr_* @param what named in the error: "bind 127.0.0.1:80" */
export function bind(fd: number, address: Uint8Array, what: string): void {
  if (native.bind(fd, address, address.length) < 0) throw failure(what);
}

/** connect(2) of a datagram socket, which sends there from now on, or of one to a service on this machine. @param what named in the error */
export function connect(fd: number, address: Uint8Array, what: string): void {
  if (native.connect(fd, address, address.length) < 0) throw failure(what);
}

export const POLLIN = 1;
export const POLLOUT = 4;

/** poll(2) of one descriptor. @param timeout milliseconds @returns whether something of it has happened by then */
export function poll(fd: number, events: number, timeout: number): boolean {
  const one = Buffer.alloc(8); // struct pollfd: descriptor, events (2), what happened (2)
  one.writeInt32LE(fd);
  one.writeInt16LE(events, 4);
  for (const end = performance.now() + timeout; ; ) {
    const count = rare().poll(one, 1, Math.max(0, Math.ceil(end - performance.now())));
    if (count >= 0) return count > 0;
    if (koffi.errno() !== EINTR) throw failure('poll');
  }
}

/** ioctl(2) with a struct. @param what named in the error */
export function ioctl(fd: number, request: number, argument: Uint8Array, what: string): void {
  if (native.ioctl(fd, request, argument) < 0) throw failure(what);
}

/** listen(2) */
export function listen(fd: number, backlog: number): void {
  if (native.listen(fd, backlog) < 0) throw failure('listen');
}

/** getsockname(2). @returns the struct sockaddr_* of the socket */
export function getsockname(fd: number): Buffer {
  const address = Buffer.alloc(128); // sizeof(struct sockaddr_storage)
  const size = Buffer.alloc(4);
  size.writeUInt32LE(address.length);
  if (native.getsockname(fd, address, size) < 0) throw failure('read a socket address');
  return address.subarray(0, size.readUInt32LE());
}

/** Where an int lies while the kernel reads it: 500 ports need 1,000. */
const int = Buffer.alloc(4);

/** setsockopt(2) with an int for a value, or with bytes. */
export function setsockopt(fd: number, level: number, option: number, value: number | Buffer): void {
  const bytes = typeof value === 'number' ? int : value;
  if (typeof value === 'number') bytes.writeInt32LE(value);
  if (native.setsockopt(fd, level, option, bytes, bytes.length) < 0)
    throw failure(`set socket option ${level}/${option}`);
}

/** send(2). @returns bytes sent */
export function send(fd: number, bytes: Uint8Array, flags = 0): number {
  for (;;) {
    const sent = native.send(fd, bytes, bytes.length, flags);
    if (sent >= 0) return sent;
    if (koffi.errno() !== EINTR) throw failure('send');
  }
}

/** A peer that is gone is an error and not a signal (send(2)). */
export const MSG_NOSIGNAL = 0x4000;

/** Give the length of the whole datagram, also when it did not fit (recv(2)). */
export const MSG_TRUNC = 0x20;

/** recv(2). @returns bytes received, or undefined when nothing waits */
export function recv(fd: number, into: Uint8Array, flags = 0): number | undefined {
  for (;;) {
    const size = native.recv(fd, into, into.length, flags);
    if (size >= 0) return size;
    const errno = koffi.errno();
    if (errno === EAGAIN) return undefined;
    if (errno !== EINTR) throw failure('receive');
  }
}

/**
 * recvmmsg(2). @param headers an array of `struct mmsghdr`, filled with addresses by addressOf()
 * @returns how many were received, 0 when nothing waits
 */
export function recvmmsg(fd: number, headers: Uint8Array, count: number): number {
  const received = native.recvmmsg(fd, headers, count, 0, null);
  if (received >= 0) return received;
  const errno = koffi.errno();
  if (errno === EAGAIN || errno === EINTR) return 0;
  throw failure('receive');
}

/** sendmmsg(2). @returns how many were sent, which may be fewer than `count`; 0 when the send buffer is full */
export function sendmmsg(fd: number, headers: Uint8Array, count: number): number {
  const sent = native.sendmmsg(fd, headers, count, 0);
  if (sent >= 0) return sent;
  const errno = koffi.errno();
  if (errno === EAGAIN || errno === EINTR) return 0;
  throw failure('send');
}

/** Where a buffer lies. It must outlive every structure the address is written into, and come from allocUnsafeSlow. */
export function addressOf(buffer: Uint8Array): bigint {
  return BigInt(koffi.address(buffer));
}

const CLONE_NEWNET = 0x40000000;

/** setns(2) of this thread into a network namespace. */
export function enterNetworkNamespace(fd: number): void {
  if (native.setns(fd, CLONE_NEWNET) < 0) throw failure('enter a network namespace');
}

/** unshare(2): this thread moves into a network namespace of its own. */
export function unshareNetworkNamespace(): void {
  if (native.unshare(CLONE_NEWNET) < 0) throw failure('create a network namespace');
}

/** mount(2). @param flags MS_* */
export function mount(source: string, target: string, type: string | null, flags: number, data: string | null): void {
  if (native.mount(source, target, type, flags, data) < 0) throw failure(`mount ${source} on ${target}`);
}

/** umount2(2). @param flags MNT_* */
export function umount2(target: string, flags: number): void {
  if (native.umount2(target, flags) < 0) throw failure(`unmount ${target}`);
}

/** mkfifo(3). The mode is cut by the umask. */
export function mkfifo(path: string, mode: number): void {
  if (native.mkfifo(path, mode) < 0) throw failure(`make FIFO ${path}`);
}

const SPLICE_F_NONBLOCK = 2;
const offset = Buffer.alloc(8);

/** splice(2) from a pipe into a file. @returns bytes moved, 0 at the pipe's end, undefined when nothing waits */
export function splice(pipe: number, file: number, at: number, size: number): number | undefined {
  for (;;) {
    offset.writeBigInt64LE(BigInt(at));
    const moved = native.splice(pipe, null, file, offset, size, SPLICE_F_NONBLOCK);
    if (moved >= 0) return moved;
    const errno = koffi.errno();
    if (errno === EAGAIN) return undefined;
    if (errno !== EINTR) throw failure('move output into a file');
  }
}

/** Runs once, at the first use. */
export function lazily<T>(make: () => T): () => T {
  const made: T[] = [];
  return () => {
    const [value = make()] = made;
    made[0] = value;
    return value;
  };
}

interface LibNftables {
  nft_ctx_new(flags: number): Pointer;
  nft_ctx_free(context: Pointer): void;
  nft_run_cmd_from_buffer(context: Pointer, commands: string): number;
  nft_ctx_output_set_flags(context: Pointer, flags: number): void;
  nft_ctx_buffer_output(context: Pointer): number;
  nft_ctx_buffer_error(context: Pointer): number;
  nft_ctx_get_output_buffer(context: Pointer): string;
  nft_ctx_get_error_buffer(context: Pointer): string;
}

/**
 * libnftables(3), loaded at the first use: 3 ms and 2 MB that programs without a firewall do not pay. Functions return what
 * the library returns (0: success); the words of an error are in the context's error buffer.
 */
export const libnftables: () => LibNftables = lazily(() => {
  const library = koffi.load('libnftables.so.1');
  return {
    nft_ctx_new: library.func('void* nft_ctx_new(uint32_t)'),
    nft_ctx_free: library.func('void nft_ctx_free(void*)'),
    nft_run_cmd_from_buffer: library.func('int nft_run_cmd_from_buffer(void*, const char*)'),
    nft_ctx_output_set_flags: library.func('void nft_ctx_output_set_flags(void*, uint32_t)'),
    nft_ctx_buffer_output: library.func('int nft_ctx_buffer_output(void*)'),
    nft_ctx_buffer_error: library.func('int nft_ctx_buffer_error(void*)'),
    nft_ctx_get_output_buffer: library.func('const char* nft_ctx_get_output_buffer(void*)'),
    nft_ctx_get_error_buffer: library.func('const char* nft_ctx_get_error_buffer(void*)'),
  };
});

const UV_POLL = 8;
export const UV_READABLE = 1;
/** POLLPRI (poll(2)) */
export const UV_PRIORITIZED = 8;

type PollCallback = (handle: Pointer, status: number, events: number) => void;

interface LibUv {
  readonly loop: Pointer;
  readonly handleSize: number;
  init(loop: Pointer, handle: Pointer, fd: number): number;
  start(handle: Pointer, events: number, callback: Pointer): number;
  stop(handle: Pointer): number;
  unref(handle: Pointer): void;
  close(handle: Pointer, callback: null): void;
}

/** libuv of the running node: uv_poll(3) watches descriptors which Node has no class for. Main thread only. */
const libuv: () => LibUv = lazily(() => {
  const self = koffi.load(null);
  const handleSize: (type: number) => number | bigint = self.func('size_t uv_handle_size(int)');
  const defaultLoop: () => Pointer = self.func('void* uv_default_loop()');
  return {
    loop: defaultLoop(),
    handleSize: Number(handleSize(UV_POLL)),
    init: self.func('int uv_poll_init(void*, void*, int)'),
    start: self.func('int uv_poll_start(void*, int, void*)'),
    stop: self.func('int uv_poll_stop(void*)'),
    unref: self.func('void uv_unref(void*)'),
    close: self.func('void uv_close(void*, void*)'),
  };
});

/** Something native code can call. Registered for the life of the process. */
export function pollCallback(callback: (handle: bigint, status: number) => void): Pointer {
  const type = koffi.pointer(koffi.proto('void fairway_poll_callback(void*, int, int)'));
  const call: PollCallback = (handle, status) => callback(BigInt(koffi.address(handle)), status);
  return koffi.register(call, type);
}

/** A uv_poll_t. `id` is what the callback is called with. */
export interface PollHandle {
  readonly id: bigint;
  readonly pointer: Pointer;
}

/** uv_poll_init(3) */
export function pollOpen(fd: number): PollHandle {
  const { loop, handleSize, init } = libuv();
  const pointer: Pointer = koffi.alloc('uint8_t', handleSize);
  checkUv('watch a descriptor', init(loop, pointer, fd));
  return { id: BigInt(koffi.address(pointer)), pointer };
}

/** uv_poll_start(3). @param events UV_* */
export function pollStart(handle: PollHandle, events: number, callback: Pointer): void {
  checkUv('watch a descriptor', libuv().start(handle.pointer, events, callback));
}

/** uv_unref(3): the handle does not keep the process alive. */
export function pollUnref(handle: PollHandle): void {
  libuv().unref(handle.pointer);
}

/** uv_poll_stop(3) and uv_close(3). The memory is freed two turns later, when libuv has let go of it. */
export function pollClose(handle: PollHandle): void {
  libuv().stop(handle.pointer);
  libuv().close(handle.pointer, null);
  setImmediate(() => setImmediate(() => koffi.free(handle.pointer)));
}

function checkUv(operation: string, result: number): void {
  if (result < 0) throw new KernelError({ operation, errno: -result, sentence: '' }, errnoName(-result));
}
