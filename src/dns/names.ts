import type { AddressFamily, IpAddress } from '../model/address.ts';
import type { TransportProtocol } from '../model/firewall.ts';
import type { NamespaceName } from '../model/resource.ts';

/** A server that is asked what we do not know. */
export interface Upstream {
  /** May carry a zone when it is link-local: "fe80::1%eth0" */
  readonly address: IpAddress;
  /** The namespace it is asked from: servers of the host's resolv.conf from the host, those of `--dns` from the sandbox */
  readonly from: 'host' | 'sandbox';
  /** 53 unless told */
  readonly port?: number;
}

/** Whom a sandbox asks for what we do not know, and how. Made by outsideOf(). */
export interface Outside {
  /** Those it may ask, in the order of the list. The resolver's own address is not among them. */
  readonly upstreams: readonly Upstream[];
  /** An ndots option was set by a user or the host, so unknown names of one label are answered empty, never forwarded */
  readonly ndotsSet: boolean;
  /** What clients append to names, lower case, without a trailing dot */
  readonly search: readonly string[];
  /** Equal where the same servers are asked from the same place: there answers can be shared */
  readonly scope: string;
}

export interface ServiceQuestion {
  readonly port: number;
  readonly protocol: TransportProtocol;
}

/** Where a service is: what a SRV record says, and the addresses that go with it. */
export interface Service {
  /** The container's name with its network: "web.app" */
  readonly name: string;
  readonly port: number;
  readonly addresses: readonly IpAddress[];
}

/** What the resolver answers from. Asked for every query, so the answers come from memory. */
export interface NameSource {
  /**
   * What this sandbox may know of a name (lower case, no trailing dot; "web" or "web.app").
   * @returns undefined when the name is not ours; [] when it is, but has no address
   */
  lookup(namespace: NamespaceName, name: string): readonly IpAddress[] | undefined;
  /** Those who go by a name (as in lookup) and have a port open; [] when nobody does. */
  services(namespace: NamespaceName, name: string, service: ServiceQuestion): readonly Service[];
  /** @returns the name with its network ("web.app"), or undefined when the address is not ours */
  reverse(namespace: NamespaceName, address: IpAddress): string | undefined;
  /** Whom it asks for what is not ours; the same object until that changes, so that a question costs a look-up */
  outside(namespace: NamespaceName): Outside;
}

/**
 * Opens a non-blocking, close-on-exec socket in a sandbox's namespace, neither bound nor connected.
 * @returns a file descriptor, which the caller owns
 */
export type OpenSocket = (
  namespace: NamespaceName,
  kind: { readonly protocol: 'udp' | 'tcp'; readonly family: AddressFamily },
) => number;
