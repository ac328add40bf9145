import { familyOf, isLoopback } from '../model/address.ts';
import type { ContainerSpec, PortBinding } from '../model/container.ts';
import type { TransportProtocol } from '../model/firewall.ts';
import type { Verdict } from '../reconcile/passage/verdict.ts';
import type { Core } from './core.ts';
import { traitsOf } from './intent.ts';
import { tryFindNetwork } from './lookup.ts';

/** What a user is told at the creation about ports that will not be what `-p` says, or more than the host's firewall lets in. */
export function portWarnings(core: Core, spec: ContainerSpec): string[] {
  const { networkMode, portBindings, publishAll } = spec;
  if (portBindings.length === 0 && !publishAll) return [];
  if (networkMode.kind === 'host') return ['Published ports are discarded when using host network mode'];
  return [...sctpWarnings(core, spec), ...firewallWarnings(core, spec)];
}

function sctpWarnings({ ports }: Core, spec: ContainerSpec): string[] {
  if (ports.speaksSctp || !bindingsOf(spec).some(({ protocol }) => protocol === 'sctp')) return [];
  return ['The kernel has no SCTP sockets: SCTP ports are forwarded, and not kept from others on the host'];
}

/** What `-p` says, and `-P`. */
function bindingsOf({ portBindings, publishAll, exposedPorts }: ContainerSpec): PortBinding[] {
  if (!publishAll) return [...portBindings];
  const exposed = exposedPorts.map((key) => {
    const [port, protocol] = key.split('/') as [string, TransportProtocol];
    return { protocol, containerPort: Number(port) };
  });
  return [...portBindings, ...exposed];
}

/** A port that no rule names. */
const SOME_PORT = 0;
/** Ports that the host's firewall is asked about; whoever publishes more has been told by then. */
const ASKED = 50;

/**
 * Packets for published ports do not pass the chain that rules for programs of the host are in (INPUT): ufw and firewalld do
 * not keep them out, though it looks as if they did.
 */
function firewallWarnings({ state, reconciler }: Core, spec: ContainerSpec): string[] {
  const places = spec.endpoints.flatMap(({ network: reference }) => {
    const network = tryFindNetwork(state, reference);
    return network === undefined || network.internal ? [] : [traitsOf(network)];
  });
  const place = places.find(({ addresses, publishes }) => addresses && publishes);
  if (place === undefined) return [];
  const verdicts = bindingsOf(spec)
    .slice(0, ASKED)
    .flatMap((binding): [PortBinding, Verdict][] => {
      const address = binding.hostAddress ?? place.hostBinding;
      if (isLoopback(address) || place.routed.includes(familyOf(address))) return [];
      const knock = { protocol: binding.protocol, port: binding.hostPorts?.first ?? SOME_PORT };
      return [[binding, reconciler.hostInput(familyOf(address))(knock)]];
    });
  const dropped = verdicts.filter(([, verdict]) => verdict === 'drop');
  const doubtful = verdicts.filter(([, verdict]) => verdict !== 'accept');
  return dropped.length > 0 ? openThough('drops', dropped) : openThough('may drop', doubtful);
}

function openThough(does: string, verdicts: readonly [PortBinding, Verdict][]): string[] {
  const [binding] = verdicts[0] ?? [];
  if (binding === undefined) return [];
  const ports = `${binding.hostPorts?.first ?? binding.containerPort}/${binding.protocol}`;
  const what = verdicts.length === 1 ? ports : `${ports} and others`;
  const advice = 'publish on 127.0.0.1, or add rules to the table inet fairway-admin, if that is not meant';
  return [`Other machines will reach ${what}, which the host's own firewall ${does}: ${advice}`];
}
