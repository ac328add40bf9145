import { existsSync } from 'node:fs';
import type { NetworkNamespace } from '../kernel/netns.ts';
import { readSysctl, writeSysctl } from '../kernel/sysctl.ts';
import { KernelError } from '../model/errors.ts';
import type { SysctlResource } from '../model/resource.ts';

/** @throws KernelError when there is no such setting, or the kernel refuses the value */
export function writeSetting(namespace: NetworkNamespace, { path, value }: SysctlResource): void {
  try {
    writeSysctl(namespace, path, value);
  } catch (error) {
    if (!isMoot(path, error)) throw error;
  }
}

/** @returns the value with single spaces; undefined when there is no such setting, as when its link is missing */
export function readSetting(namespace: NetworkNamespace, { path, value }: SysctlResource): string | undefined {
  try {
    return readSysctl(namespace, path).replace(/\s+/g, ' ');
  } catch (error) {
    if (isMoot(path, error)) return value;
    if (error instanceof KernelError && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A kernel that was booted with ipv6.disable=1 has no settings for IPv6, and nothing that would need them. */
function isMoot(path: string, error: unknown): boolean {
  const missing = error instanceof KernelError && error.code === 'ENOENT';
  return missing && path.startsWith('net/ipv6/') && !existsSync('/proc/sys/net/ipv6');
}
