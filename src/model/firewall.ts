import type { AddressFamily, IpAddress, Prefix } from './address.ts';

export type TransportProtocol = 'tcp' | 'udp' | 'sctp';

/** How containers of a network are reached from outside, in one address family. */
export type EntryMode = 'nat' | 'nat-unprotected' | 'routed';

/**
 * A subnet of a bridge network as the firewall knows it. Traffic between different bridges is refused; unpublished ports of
 * its containers are not reachable from outside; nothing behind it reaches 127.0.0.0/8 of the host.
 */
export interface BridgeRule {
  readonly kind: 'firewall';
  readonly meaning: 'bridge';
  readonly bridge: string;
  readonly subnet: Prefix;
  /** Nothing may leave or enter but to and from the host itself */
  readonly internal: boolean;
  /**
   * False: containers do not reach each other by way of the host either, but on published ports. Isolated bridge ports
   * alone do not keep them from it. Left out where they may
   */
  readonly icc?: false;
  /** Of the subnet's family: what is reachable besides the ports published on the host */
  readonly mode: EntryMode;
}

/** Frames pass between the ports of a bridge that is part of a LAN, also where the kernel has bridged frames filtered. */
interface CarryRule {
  readonly kind: 'firewall';
  readonly meaning: 'carry';
  readonly bridge: string;
}

/** What leaves a bridge's subnet for elsewhere carries the host's address. */
interface MasqueradeRule {
  readonly kind: 'firewall';
  readonly meaning: 'masquerade';
  readonly bridge: string;
  readonly subnet: Prefix;
  /** Which one; left out: that of the link it leaves by */
  readonly source?: IpAddress;
}

/**
 * A published port, or an equally long range of them: `count` ports from `hostPort` lead to `count` from `port`. Both
 * addresses are of one family. ::1 and link-local addresses of the host are left to a listener of its own.
 */
export interface PublishRule {
  readonly kind: 'firewall';
  readonly meaning: 'publish';
  readonly protocol: TransportProtocol;
  /** "0.0.0.0" or "::": any address of the host */
  readonly hostAddress: IpAddress;
  readonly hostPort: number;
  readonly count: number;
  readonly address: IpAddress;
  readonly port: number;
  readonly bridge: string;
}

/** Ports of a container that are reachable by its own address, from outside and from other bridges. */
export interface OpenRule {
  readonly kind: 'firewall';
  readonly meaning: 'open';
  readonly protocol: TransportProtocol;
  readonly address: IpAddress;
  readonly port: number;
  readonly count: number;
  readonly bridge: string;
  /** Through this link of the host alone, which is trusted; left out: through any */
  readonly through?: string;
}

/**
 * `--link` where containers of a bridge may not reach each other: this one reaches a port of that one, by way of the host.
 * Where all may, nothing needs to be said.
 */
interface LinkRule {
  readonly kind: 'firewall';
  readonly meaning: 'link';
  readonly bridge: string;
  readonly from: IpAddress;
  readonly to: IpAddress;
  readonly protocol: TransportProtocol;
  readonly port: number;
}

/**
 * Forwarding was switched on by us: what neither enters nor leaves our links is dropped, so the host is no router in this
 * family.
 */
interface ForwardGuardRule {
  readonly kind: 'firewall';
  readonly meaning: 'forward-guard';
  readonly family: AddressFamily;
}

/**
 * Somewhere a packet of a bridge can be too large for where it goes: both ends of a TCP connection are told in its first packets
 * how large theirs may be.
 */
interface ClampRule {
  readonly kind: 'firewall';
  readonly meaning: 'clamp';
}

/** Said in the field's words, never in rules: the applier alone knows maps, sets and chains. Key: all of it. */
export type FirewallResource =
  | BridgeRule
  | MasqueradeRule
  | PublishRule
  | OpenRule
  | LinkRule
  | ForwardGuardRule
  | ClampRule
  | CarryRule;

/** Equal for rules that say of what they are about, not what. */
export function firewallKey(rule: FirewallResource): string {
  switch (rule.meaning) {
    case 'bridge':
      return `bridge ${rule.bridge} ${rule.subnet}`;
    case 'carry':
      return `carry ${rule.bridge}`;
    case 'masquerade':
      return `masquerade ${rule.bridge} ${rule.subnet}`;
    case 'publish':
      return `publish ${rule.protocol} ${rule.hostAddress}:${rule.hostPort}`;
    case 'open':
      return `open ${rule.protocol} ${rule.address} ${rule.port} ${rule.through ?? ''}`;
    case 'link':
      return `link ${rule.from} ${rule.to} ${rule.protocol} ${rule.port}`;
    case 'forward-guard':
      return `forward-guard ${rule.family}`;
    case 'clamp':
      return 'clamp';
  }
}
