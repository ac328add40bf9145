import type { InterfaceAddress, IpAddress, MacAddress } from './address.ts';

/** A link in a container's sandbox that belongs to no network. */
export interface AttachedEnd {
  /** Full id */
  readonly container: string;
  /** The link's name in the sandbox */
  readonly interfaceName: string;
  readonly mac: MacAddress;
  readonly addresses: readonly InterfaceAddress[];
  /** Where the sandbox's default routes lead, at most one for each family */
  readonly gateways: readonly IpAddress[];
}

/** What a container is attached to, but for another container. */
export type AttachmentTarget =
  /** A port of a Linux bridge somebody else has made */
  | { readonly kind: 'bridge'; readonly bridge: string }
  /** A port of an Open vSwitch bridge. `tag`: of that VLAN alone, 1 to 4094 */
  | { readonly kind: 'switch'; readonly bridge: string; readonly tag?: number }
  /** A macvlan on a link of the host, such as its network card */
  | { readonly kind: 'parent'; readonly parent: string };

interface AttachmentBase {
  /** 64 hexadecimal digits */
  readonly id: string;
  /** ISO 8601 with nanoseconds, UTC */
  readonly created: string;
  /** Bytes */
  readonly mtu: number;
}

/** `fairway link`: a veth pair between two containers. It is up while both run. */
export interface PairAttachment extends AttachmentBase {
  readonly kind: 'pair';
  readonly ends: readonly [AttachedEnd, AttachedEnd];
}

/** `fairway attach`: what pipework and ovs-docker do by hand. It is up while its container runs. */
export interface HostAttachment extends AttachmentBase {
  readonly kind: 'host';
  readonly ends: readonly [AttachedEnd];
  readonly target: AttachmentTarget;
}

/** Kept while its containers exist. */
export type Attachment = PairAttachment | HostAttachment;
