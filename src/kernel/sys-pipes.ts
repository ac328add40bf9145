import { failure, ioctl, lazily, libcFunction } from './sys.ts';

/* What pipes and the files they are emptied into need beside splice(2): loaded at the first use. */

interface LibcPipes {
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  fcntl(fd: number, command: number, value: number): number;
}

const libcPipes: () => LibcPipes = lazily(() => ({
  fallocate: libcFunction('int fallocate(int, int, long, long)'),
  fcntl: libcFunction('int fcntl(int, int, int)'),
}));

/** asm-generic/ioctls.h, linux/fcntl.h */
const FIONREAD = 0x541b;
const F_SETPIPE_SZ = 1031;

/** ioctl(2) with FIONREAD: bytes that can be read. */
export function bytesWaiting(fd: number): number {
  const count = Buffer.alloc(4);
  ioctl(fd, FIONREAD, count, 'ask what waits to be read');
  return count.readInt32LE();
}

/** fcntl(2) with F_SETPIPE_SZ. @returns bytes the pipe holds from now on */
export function setPipeSize(fd: number, size: number): number {
  const set = libcPipes().fcntl(fd, F_SETPIPE_SZ, size);
  if (set < 0) throw failure(`make a pipe hold ${size} bytes`);
  return set;
}

/** FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, linux/falloc.h */
const PUNCH_HOLE = 3;

/** fallocate(2): what lies there reads as zeros from now on and takes no space. */
export function punchHole(fd: number, from: number, length: number): void {
  if (libcPipes().fallocate(fd, PUNCH_HOLE, from, length) < 0) throw failure('make a hole in a file');
}
