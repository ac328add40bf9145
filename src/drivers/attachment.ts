import { addressOf, type IpAddress, makePrefix, parsePrefix, prefixContains, prefixOf } from '../model/address.ts';
import type { AttachedEnd, Attachment, AttachmentTarget, HostAttachment, PairAttachment } from '../model/attachment.ts';
import type { Sandbox } from '../model/network.ts';
import type { Resource, SwitchPortResource } from '../model/resource.ts';

const DEFAULT_ROUTES = { 4: parsePrefix('0.0.0.0/0'), 6: parsePrefix('::/0') } as const;

/**
 * What an attachment adds to its sandboxes and the host; wished by `attachment:<id>`.
 * @param sandboxes of its ends, in their order; undefined while the container does not run: then there is nothing
 */
export function describeAttachment(attachment: Attachment, sandboxes: readonly (Sandbox | undefined)[]): Resource[] {
  const [near, far] = sandboxes;
  if (near === undefined) return [];
  if (attachment.kind === 'host') return describeHostAttachment(attachment, near);
  return far === undefined ? [] : describePair(attachment, near, far);
}

function describePair({ mtu, ends: [a, b] }: PairAttachment, near: Sandbox, far: Sandbox): Resource[] {
  const peer = { namespace: far.namespace, name: b.interfaceName, mac: b.mac, mtu };
  const pair = {
    kind: 'link',
    type: 'veth',
    namespace: near.namespace,
    name: a.interfaceName,
    mtu,
    mac: a.mac,
  } as const;
  return [
    { ...pair, up: true, master: '', isolated: false, peer },
    ...addressing(a, near),
    ...addressing(b, far),
    ...routesTo(b, a, near),
    ...routesTo(a, b, far),
  ];
}

/** The other end's addresses that lie in none of the own subnets: those of a point-to-point link are /32 and /128. */
function routesTo(other: AttachedEnd, own: AttachedEnd, { namespace }: Sandbox): Resource[] {
  const reached = (address: IpAddress) => own.addresses.some((one) => prefixContains(prefixOf(one), address));
  const families = new Set(own.addresses.map((one) => one.includes(':')));
  return other.addresses
    .map(addressOf)
    .filter((address) => !reached(address) && families.has(address.includes(':')))
    .map((address) => ({
      kind: 'route',
      namespace,
      destination: makePrefix(address, address.includes(':') ? 128 : 32),
      link: own.interfaceName,
    }));
}

function describeHostAttachment({ id, mtu, target, ends: [end] }: HostAttachment, sandbox: Sandbox): Resource[] {
  const { namespace } = sandbox;
  const { interfaceName: name, mac } = end;
  if (target.kind === 'parent') {
    return [
      { kind: 'parent', namespace: 'host', link: target.parent },
      { kind: 'link', type: 'macvlan', namespace, name, mac, up: true, parent: target.parent, mode: 'bridge' },
      ...addressing(end, sandbox),
    ];
  }
  const port = `vatt${id.slice(0, 7)}`;
  const pair = { kind: 'link', type: 'veth', namespace: 'host', name: port, mtu, up: true, isolated: false } as const;
  const master = target.kind === 'bridge' ? target.bridge : '';
  return [
    { ...pair, master, peer: { namespace, name, mac, mtu } },
    ...(target.kind === 'switch' ? [switchPort(target, port, { namespace, link: name })] : []),
    ...addressing(end, sandbox),
  ];
}

function switchPort(
  { bridge, tag }: Extract<AttachmentTarget, { kind: 'switch' }>,
  link: string,
  inner: SwitchPortResource['inner'],
): SwitchPortResource {
  return { kind: 'switch-port', namespace: 'host', bridge, link, inner, ...(tag === undefined ? {} : { tag }) };
}

function addressing({ interfaceName: link, addresses, gateways }: AttachedEnd, { namespace }: Sandbox): Resource[] {
  const onLink = (gateway: IpAddress) => addresses.some((address) => prefixContains(prefixOf(address), gateway));
  const ipv6 = addresses.some((address) => address.includes(':'));
  return [
    ...(ipv6 ? [ipv6Enabled(link, namespace)] : []),
    ...addresses.map((address): Resource => ({ kind: 'address', namespace, link, address, adopt: false })),
    // A gateway beyond the own subnet, as with /32, is said to be on the link first.
    ...gateways
      .filter((gateway) => !onLink(gateway))
      .map((gateway): Resource => {
        const destination = makePrefix(gateway, gateway.includes(':') ? 128 : 32);
        return { kind: 'route', namespace, destination, link };
      }),
    ...gateways.map((gateway): Resource => {
      return { kind: 'route', namespace, destination: DEFAULT_ROUTES[gateway.includes(':') ? 6 : 4], gateway, link };
    }),
  ];
}

/** It is switched off by default in sandboxes (describeSandbox). */
function ipv6Enabled(link: string, namespace: Sandbox['namespace']): Resource {
  return { kind: 'sysctl', namespace, path: `net/ipv6/conf/${link}/disable_ipv6`, value: '0' };
}
