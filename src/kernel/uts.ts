import { close, failure, lazily, libcFunction, open } from './sys.ts';

/** sched.h */
const CLONE_NEWUTS = 0x0400_0000;

const calls: () => {
  setns(fd: number, type: number): number;
  setdomainname(name: string, size: number): number;
} = lazily(() => ({
  setns: libcFunction('int setns(int, int)'),
  setdomainname: libcFunction('int setdomainname(const char*, size_t)'),
}));

/**
 * setdomainname(2) in another UTS namespace. The process is aborted when this thread cannot come back from there.
 * @param path /proc/PID/ns/uts @throws KernelError
 */
export function setDomainName(path: string, name: string): void {
  const home = open('/proc/thread-self/ns/uts');
  const there = open(path);
  try {
    if (calls().setns(there, CLONE_NEWUTS) < 0) throw failure(`enter ${path}`);
    try {
      if (calls().setdomainname(name, Buffer.byteLength(name)) < 0) throw failure(`set the domain name "${name}"`);
    } finally {
      if (calls().setns(home, CLONE_NEWUTS) < 0) process.abort();
    }
  } finally {
    close(there);
    close(home);
  }
}
