import { isChild, type LinkResource, type NamespaceName, type Resource } from '../model/resource.ts';

/** Identifies a link's end: a veth has two, in different namespaces. The same text as the key of a link resource. */
export type LinkEnd = `link ${NamespaceName} ${string}`;

export function linkEnd(namespace: NamespaceName, name: string): LinkEnd {
  return `link ${namespace} ${name}`;
}

export function linkEnds(link: LinkResource): LinkEnd[] {
  const own = linkEnd(link.namespace, link.name);
  return link.type === 'veth' ? [own, linkEnd(link.peer.namespace, link.peer.name)] : [own];
}

/**
 * Keys of what a resource cannot exist without: when the kernel loses one of them, the resource is lost with it.
 * The master of a veth is none: without its bridge, the pair still exists.
 */
export function foundations(resource: Resource): string[] {
  switch (resource.kind) {
    case 'namespace':
    case 'firewall':
    case 'passage':
    case 'port-security':
    case 'parent':
      return [];
    case 'link':
      if (isChild(resource)) return [...within(resource.namespace), linkEnd('host', resource.parent)];
      return resource.type === 'veth'
        ? [...within(resource.namespace), ...within(resource.peer.namespace)]
        : within(resource.namespace);
    case 'switch-port':
      return [linkEnd('host', resource.link)];
    case 'forwarding':
      return [resource.bridge, resource.port ?? resource.bridge].map((link) => linkEnd('host', link));
    case 'address':
    case 'route':
    case 'neighbour':
      return [...within(resource.namespace), linkEnd(resource.namespace, resource.link)];
    case 'sysctl': {
      const link = linkOfSysctl(resource.path);
      return link === undefined
        ? within(resource.namespace)
        : [...within(resource.namespace), linkEnd(resource.namespace, link)];
    }
    case 'listener':
      return within(resource.namespace);
  }
}

function within(namespace: NamespaceName): string[] {
  return namespace === 'host' ? [] : [`namespace ${namespace}`];
}

/** The link a setting belongs to, or undefined for one of the whole namespace (also `all` and `default`). */
export function linkOfSysctl(path: string): string | undefined {
  const link = /^net\/ipv[46]\/(?:conf|neigh)\/([^/]+)\//.exec(path)?.[1];
  return link === 'all' || link === 'default' ? undefined : link;
}

/**
 * Place in the order of creation; removal goes the other way. Settings of a whole namespace come before its links, which
 * inherit them at birth; settings of a link after it.
 */
export function rank(resource: Resource): number {
  switch (resource.kind) {
    case 'namespace':
      return 0;
    case 'sysctl':
      return linkOfSysctl(resource.path) === undefined ? 1 : 4;
    case 'switch-port':
      return 4;
    case 'link':
      return resource.type === 'veth' || (isChild(resource) && resource.type !== 'vlan') ? 3 : 2;
    case 'parent':
    // Before the port is there: it shall not say a word that is not looked at
    case 'port-security':
      return 2;
    case 'address':
      return 5;
    case 'route':
    case 'neighbour':
    case 'forwarding':
      return 6;
    case 'listener':
      return 7;
    case 'firewall':
      return 8;
    case 'passage':
      return 9;
  }
}
