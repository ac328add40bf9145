import type { AddressFamily, IpAddress } from '../model/address.ts';
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

/** What the resolver answers from. Asked for every query, so the answers come from memory. */
export interface NameSource {
  /**
   * What this sandbox may know of a name (lower case, no trailing dot; "web" or "web.app").
   * @returns undefined when the name is not ours; [] when it is, but has no address
   */
  lookup(namespace: NamespaceName, name: string): readonly IpAddress[] | undefined;
  /** @returns the name with its network ("web.app"), or undefined when the address is not ours */
  reverse(namespace: NamespaceName, address: IpAddress): string | undefined;
  /** In the order they are asked; the first three count. The resolver's own address is not among them. */
  upstreams(namespace: NamespaceName): readonly Upstream[];
  /** False: servers of the host are not asked for this sandbox (it is on internal networks only) */
  forwards(namespace: NamespaceName): boolean;
  /** True: an ndots option was set by a user or the host, so unknown names of one label are answered empty, never forwarded */
  ndotsSet(namespace: NamespaceName): boolean;
}

/**
 * Opens a non-blocking, close-on-exec socket in a sandbox's namespace, neither bound nor connected.
 * @returns a file descriptor, which the caller owns
 */
export type OpenSocket = (
  namespace: NamespaceName,
  kind: { readonly protocol: 'udp' | 'tcp'; readonly family: AddressFamily },
) => number;
