import { AF_UNIX, addressOf, failure, lazily, libcFunction } from './sys.ts';

/* Calls that hand descriptors from one process to another: loaded at the first use. */

interface LibcDescriptors {
  socketpair(family: number, type: number, protocol: number, ends: Uint8Array): number;
  sendmsg(fd: number, message: Uint8Array, flags: number): number;
  recvmsg(fd: number, message: Uint8Array, flags: number): number;
  pidfd(call: number, pid: number, flags: number): number;
  getfd(call: number, pidfd: number, target: number, flags: number): number;
  pidfdSignal(call: number, pidfd: number, signal: number, info: null, flags: number): number;
  ioctl(fd: number, request: number, argument: number): number;
}

/** The calls on processes by their number: glibc has them since 2.36 alone. */
const libcDescriptors: () => LibcDescriptors = lazily(() => ({
  socketpair: libcFunction('int socketpair(int, int, int, void*)'),
  sendmsg: libcFunction('long sendmsg(int, void*, int)'),
  recvmsg: libcFunction('long recvmsg(int, void*, int)'),
  pidfd: libcFunction('long syscall(long, int, uint32_t)'),
  getfd: libcFunction('long syscall(long, int, int, uint32_t)'),
  pidfdSignal: libcFunction('long syscall(long pidfd_send_signal, int, int, void*, uint32_t)'),
  ioctl: libcFunction('int ioctl(int, unsigned long, long)'),
}));

const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0x80000;

/** socketpair(2) of AF_UNIX, message by message, close-on-exec. */
export function socketPair(): [number, number] {
  const ends = Buffer.alloc(8);
  if (libcDescriptors().socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
    throw failure('make a pair of sockets');
  return [ends.readInt32LE(0), ends.readInt32LE(4)];
}

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
/** Not a flag of the socket: whoever gets one for its standard input may take that away */
export const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;
/** struct cmsghdr before its data (cmsg(3)): length, level, type */
const CONTROL_HEADER = 16;
/** SCM_MAX_FD (unix(7)): descriptors in one message */
export const MAX_DESCRIPTORS = 253;
/** struct msghdr (recvmsg(2)) of a 64-bit system, and the struct iovec it points at */
const MESSAGE = 56;
const VECTOR = 16;

/** sendmsg(2): a message and descriptors with it, at most MAX_DESCRIPTORS. */
export function sendDescriptors(fd: number, text: Buffer, descriptors: readonly number[]): void {
  const control = Buffer.allocUnsafeSlow(CONTROL_HEADER + 4 * descriptors.length);
  control.writeBigUInt64LE(BigInt(control.length), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  for (const [index, descriptor] of descriptors.entries()) control.writeInt32LE(descriptor, CONTROL_HEADER + 4 * index);
  const data = Buffer.allocUnsafeSlow(text.length);
  text.copy(data);
  if (libcDescriptors().sendmsg(fd, headerOf(data, control), MSG_DONTWAIT) < 0) throw failure('hand over descriptors');
}

/** recvmsg(2) of what sendDescriptors() sent, close-on-exec. @returns undefined when nothing waits */
export function receiveDescriptors(fd: number, size: number): { text: string; descriptors: number[] } | undefined {
  const control = Buffer.allocUnsafeSlow(CONTROL_HEADER + 4 * MAX_DESCRIPTORS).fill(0);
  const data = Buffer.allocUnsafeSlow(size);
  const length = libcDescriptors().recvmsg(fd, headerOf(data, control), MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0) {
    const error = failure('take over descriptors');
    if (error.code === 'EAGAIN') return undefined;
    throw error;
  }
  const count = Math.max(0, (Number(control.readBigUInt64LE(0)) - CONTROL_HEADER) / 4);
  const descriptors = Array.from({ length: count }, (_, index) => control.readInt32LE(CONTROL_HEADER + 4 * index));
  return { text: data.toString('utf8', 0, length), descriptors };
}

function headerOf(data: Buffer, control: Buffer): Buffer {
  const memory = Buffer.allocUnsafeSlow(MESSAGE + VECTOR).fill(0);
  memory.writeBigUInt64LE(addressOf(memory) + BigInt(MESSAGE), 16);
  memory.writeBigUInt64LE(1n, 24);
  memory.writeBigUInt64LE(addressOf(control), 32);
  memory.writeBigUInt64LE(BigInt(control.length), 40);
  memory.writeBigUInt64LE(addressOf(data), MESSAGE);
  memory.writeBigUInt64LE(BigInt(data.length), MESSAGE + 8);
  return memory;
}

const PIDFD_SEND_SIGNAL = 424;
const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;

/** pidfd_open(2), close-on-exec */
export function openProcess(pid: number): number {
  const fd = libcDescriptors().pidfd(PIDFD_OPEN, pid, 0);
  if (fd < 0) throw failure(`open process ${pid}`);
  return Number(fd);
}

/** pidfd_send_signal(2). @throws KernelError ESRCH when it has ended */
export function signalProcess(pidfd: number, signal: number): void {
  if (libcDescriptors().pidfdSignal(PIDFD_SEND_SIGNAL, pidfd, signal, null, 0) < 0) throw failure('signal a process');
}

/** pidfd_getfd(2): a descriptor of our own, close-on-exec, for what another process has open */
export function descriptorOf(pidfd: number, target: number): number {
  const fd = libcDescriptors().getfd(PIDFD_GETFD, pidfd, target, 0);
  if (fd < 0) throw failure('get a descriptor of another process');
  return Number(fd);
}

/** linux/sockios.h */
const SIOCGSKNS = 0x894c;

/** ioctl(2) with SIOCGSKNS: the network namespace a socket was made in, as an open descriptor. */
export function namespaceOfSocket(fd: number): number {
  const namespace = libcDescriptors().ioctl(fd, SIOCGSKNS, 0);
  if (namespace < 0) throw failure('ask for the namespace of a socket');
  return namespace;
}
