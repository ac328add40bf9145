import { addressOf, type IpAddress, makePrefix, prefixContains, prefixOf } from '../model/address.ts';
import type { AttachedEnd, Attachment, AttachmentTarget, HostAttachment, PairAttachment } from '../model/attachment.ts';
import type { Sandbox } from '../model/network.ts';
import type { Resource, SwitchPortResource } from '../model/resource.ts';
import { describeAddressing } from './addressing.ts';
import { describeSilentPort } from './silent-port.ts';

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
    ...(target.kind === 'bridge' ? describeSilentPort(port, mtu) : []),
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

/** A gateway beyond the own subnet, as with /32, is said to be on the link before anything is led through it. */
function addressing(end: AttachedEnd, sandbox: Sandbox): Resource[] {
  const { interfaceName: link, addresses, gateways } = end;
  const isNear = (gateway: IpAddress) => addresses.some((address) => prefixContains(prefixOf(address), gateway));
  const doors = gateways
    .filter((gateway) => !isNear(gateway))
    .map((gateway): Resource => {
      const destination = makePrefix(gateway, gateway.includes(':') ? 128 : 32);
      return { kind: 'route', namespace: sandbox.namespace, destination, link };
    });
  const described = describeAddressing(end, sandbox);
  const routes = described.filter(({ kind }) => kind === 'route');
  return [...described.filter(({ kind }) => kind !== 'route'), ...doors, ...routes];
}
