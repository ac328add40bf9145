import type { ContainerSpec } from '../model/container.ts';
import type { Core } from './core.ts';

/** What a user is told at the creation about ports that will not be what `-p` says. */
export function portWarnings({ config, ports }: Core, spec: ContainerSpec): string[] {
  const { networkMode, portBindings, publishAll, exposedPorts } = spec;
  if (portBindings.length === 0 && !publishAll) return [];
  if (networkMode.kind === 'host') return ['Published ports are discarded when using host network mode'];
  // They are rules here, and no process stands in for them.
  if (!config.network.firewall.ipv4) {
    return ['Published ports are not reachable: the daemon runs with --iptables=false'];
  }
  const hasSctp =
    portBindings.some(({ protocol }) => protocol === 'sctp') ||
    (publishAll && exposedPorts.some((key) => key.endsWith('/sctp')));
  if (!hasSctp || ports.speaksSctp) return [];
  return ['The kernel has no SCTP sockets: SCTP ports are forwarded, and not kept from others on the host'];
}
