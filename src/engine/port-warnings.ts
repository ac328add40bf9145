import { familyOf, isLoopback } from '../model/address.ts';
import type { ContainerSpec, PortBinding } from '../model/container.ts';
import type { Core } from './core.ts';
import { traitsOf } from './intent.ts';
import { tryFindNetwork } from './lookup.ts';

/** What a user is told at the creation about ports that will not be what `-p` says, or more than the host's firewall lets in. */
export function portWarnings(core: Core, spec: ContainerSpec): string[] {
  const { networkMode, portBindings, publishAll } = spec;
  if (portBindings.length === 0 && !publishAll) return [];
  if (networkMode.kind === 'host') return ['Published ports are discarded when using host network mode'];
  // They are rules here, and no process stands in for them.
  if (!core.config.network.firewall.ipv4) {
    return ['Published ports are not reachable: the daemon runs with --iptables=false'];
  }
  return [...sctpWarnings(core, spec), ...firewallWarnings(core, spec)];
}

function sctpWarnings({ ports }: Core, { portBindings, publishAll, exposedPorts }: ContainerSpec): string[] {
  const hasSctp =
    portBindings.some(({ protocol }) => protocol === 'sctp') ||
    (publishAll && exposedPorts.some((key) => key.endsWith('/sctp')));
  if (!hasSctp || ports.speaksSctp) return [];
  return ['The kernel has no SCTP sockets: SCTP ports are forwarded, and not kept from others on the host'];
}

/** A port that no rule names. */
const SOME_PORT = 0;

/**
 * Packets for published ports do not pass the chain that rules for programs of the host are in (INPUT): ufw and firewalld do
 * not keep them out, though it looks as if they did.
 */
function firewallWarnings({ state, reconciler }: Core, { endpoints, portBindings }: ContainerSpec): string[] {
  const places = endpoints.flatMap(({ network: reference }) => {
    const network = tryFindNetwork(state.networks, reference);
    return network === undefined || network.internal ? [] : [traitsOf(network)];
  });
  const place = places.find(({ addresses, publishes }) => addresses && publishes);
  if (place === undefined) return [];
  const closed = (verdict: 'drop' | 'unknown') => (binding: PortBinding) => {
    const address = binding.hostAddress ?? place.hostBinding;
    if (isLoopback(address) || place.routed.includes(familyOf(address))) return false;
    const { protocol, hostPorts } = binding;
    return reconciler
      .hostInput(familyOf(address))({ protocol, port: hostPorts?.first ?? SOME_PORT })
      .startsWith(verdict);
  };
  const dropped = portBindings.filter(closed('drop'));
  if (dropped.length > 0) return [openThough('drops', dropped)];
  const asked = portBindings.filter(closed('unknown'));
  return asked.length > 0 ? [openThough('may drop', asked)] : [];
}

function openThough(does: string, [first, ...more]: readonly PortBinding[]): string {
  const port = `${first?.hostPorts?.first ?? first?.containerPort}/${first?.protocol}`;
  const ports = more.length === 0 ? port : `${port} and ${more.length} more`;
  const advice = 'publish on 127.0.0.1, or add rules to the table inet fairway-admin, if that is not meant';
  return `Other machines will reach ${ports}, which the host's own firewall ${does}: ${advice}`;
}
