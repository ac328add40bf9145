import type { ContainerSpec } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';

/** Of the IPC namespace: ipc/ipc_sysctl.c. */
const IPC = new Set(
  ['msgmax', 'msgmnb', 'msgmni', 'sem', 'shmall', 'shmmax', 'shmmni', 'shm_rmid_forced'].map(
    (name) => `kernel.${name}`,
  ),
);

/** A setting of one interface: "net.ipv4.conf.eth0.arp_notify". */
const OF_INTERFACE = /^net\.[^.]+\.[^.]+\.eth[^.]*\../;

/**
 * Only what a namespace of the container's own holds may be set: anything else would be the host's. runc judges by the same
 * rules when the container starts; here the user hears of it when it is created.
 * @throws EngineError invalidArgument in runc's words
 */
export function checkSysctls({ isolation, networkMode }: ContainerSpec): void {
  for (const name of Object.keys(isolation.sysctls)) {
    if (!/^[\w.*/-]+$/.test(name) || name.includes('..'))
      throw refuse(`sysctl "${name}" is not in a separate kernel namespace`);
    const dotted = dottedName(name);
    if (IPC.has(dotted) || dotted.startsWith('fs.mqueue.')) {
      if (isolation.ipc?.kind === 'host') throw refuse(`sysctl "${name}" is not allowed in the hosts ipc namespace`);
    } else if (dotted.startsWith('net.')) {
      if (networkMode.kind === 'host') throw refuse(`sysctl "${name}" not allowed in host network namespace`);
      if (OF_INTERFACE.test(dotted)) {
        throw refuse(
          `interface specific sysctl setting "${name}" must be supplied using driver option 'com.docker.network.endpoint.sysctls'`,
        );
      }
    } else if (dotted !== 'kernel.domainname' || isolation.hostUts) {
      throw refuse(`sysctl "${name}" is not in a separate kernel namespace`);
    }
  }
}

/** Settings of the network namespace, by their paths below /proc/sys; the reconciler writes them before any link comes. */
export function networkSysctls({ isolation }: ContainerSpec): Record<string, string> {
  return Object.fromEntries(
    Object.entries(isolation.sysctls).flatMap(([name, value]) => {
      const dotted = dottedName(name);
      return dotted.startsWith('net.') ? [[dotted.replace(/[./]/g, (sign) => (sign === '.' ? '/' : '.')), value]] : [];
    }),
  );
}

/** `--sysctl net.ipv6.conf.all.disable_ipv6=1`: its links can have no IPv6 address, so it is given none. */
export function disablesIPv6(spec: ContainerSpec): boolean {
  return networkSysctls(spec)['net/ipv6/conf/all/disable_ipv6'] === '1';
}

/** Settings of the other namespaces, which runc writes. */
export function otherSysctls({ isolation }: ContainerSpec): Record<string, string> {
  return Object.fromEntries(Object.entries(isolation.sysctls).filter(([name]) => !dottedName(name).startsWith('net.')));
}

/** As sysctl(8): whichever of "." and "/" comes first separates, and the other one stands for it within a name. */
function dottedName(name: string): string {
  const first = /[./]/.exec(name)?.[0];
  return first === '/' ? name.replace(/[./]/g, (sign) => (sign === '/' ? '.' : '/')) : name;
}

function refuse(message: string): EngineError {
  return new EngineError('invalidArgument', message);
}
