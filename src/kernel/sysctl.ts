import { closeSync, openSync, readFileSync, watch, writeFileSync } from 'node:fs';
import type { NetworkNamespace } from './netns.ts';
import { asKernelError } from './syscall-error.ts';

/**
 * @param path below /proc/sys, with slashes: "net/ipv4/ip_forward" @returns the value without its newline
 * @throws KernelError ENOENT when this kernel has no such value
 */
export function readSysctl(namespace: NetworkNamespace, path: string): string {
  return access(`read sysctl ${path}`, namespace, path, (file) => readFileSync(file, 'latin1').trimEnd());
}

/** @throws KernelError EINVAL when the kernel refuses the value */
export function writeSysctl(namespace: NetworkNamespace, path: string, value: string): void {
  access(`set sysctl ${path} to "${value}"`, namespace, path, (file) => writeFileSync(file, value));
}

/** /proc/sys/net shows the namespace of the thread that opens a file, not that of the process. */
function access<T>(operation: string, namespace: NetworkNamespace, path: string, work: (file: string) => T): T {
  if (path.split('/').includes('..')) throw new TypeError(`no sysctl: ${path}`);
  const [, family, rest] = /^net\/(ipv[46])\/(.*)$/.exec(path) ?? [];
  return told(operation, () => {
    const file = family === 'ipv4' || family === 'ipv6' ? `${namespace.settings(family)}/${rest}` : `/proc/sys/${path}`;
    return namespace.run(() => work(file));
  });
}

/** @throws KernelError in place of what `work` throws */
function told<T>(operation: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw asKernelError(operation, error);
  }
}

/**
 * Calls back when somebody writes a value of the directory, by the same mount of /proc: inotify(7). Held open, the directory is
 * not forgotten by the kernel, and with it the watch.
 * @param directory below /proc/sys: "net/ipv4/conf/br0" @throws KernelError ENOENT; ENOSPC when there are too many watches
 */
export function watchSysctls(namespace: NetworkNamespace, directory: string, callback: () => void): Disposable {
  // Where others write: what is written by another mount is not told.
  const path = `/proc/sys/${directory}`;
  const watching = () => {
    const watcher = watch(path, { persistent: false }, callback);
    // What cannot be told any more is found by whoever looks.
    watcher.on('error', () => undefined);
    return { watcher, fd: openSync(path, 'r') };
  };
  const opened = told(`watch sysctls of ${directory}`, () => namespace.run(watching));
  return {
    [Symbol.dispose]: () => {
      opened.watcher.close();
      closeSync(opened.fd);
    },
  };
}
