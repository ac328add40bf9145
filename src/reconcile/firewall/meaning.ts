import { addressOf, familyOf, type IpAddress, lengthOf, type Prefix, UNSPECIFIED } from '../../model/address.ts';
import { EngineError } from '../../model/errors.ts';
import type { BridgeRule, FirewallResource, OpenRule, PublishRule } from '../../model/firewall.ts';
import type { Element } from './element.ts';

/**
 * The elements that say in nftables what the resource says in words. A range of ports with the same numbers inside is one
 * element. One with other numbers is an element for each port, all added in one transaction, since nft has no words for
 * shifting a range but a rule of its own; their comment tells that they belong together.
 * @throws EngineError invalidArgument for a bridge whose name nft cannot write, or addresses of two families
 */
export function compile(resource: FirewallResource): Element[] {
  switch (resource.meaning) {
    case 'bridge':
      return compileBridge(resource);
    case 'carry': {
      const name = quoted(resource.bridge);
      return [{ set: 'carried', key: `${name} . ${name}` }];
    }
    case 'masquerade': {
      const { subnet, source, bridge } = resource;
      const family = familyOf(subnet);
      const common = { key: `${prefixText(subnet)} . ipv${family}`, comment: checked(bridge) };
      const masqueraded = { set: `masqueraded${family}`, ...common } as const;
      if (source === undefined) return [masqueraded];
      return [masqueraded, { set: `sources${family}`, ...common, value: sameFamily(source, family) }];
    }
    case 'forward-guard':
      return [{ set: 'guarded', key: `ipv${resource.family}` }];
    case 'clamp':
      return [{ set: 'clamp', key: '1' }];
    case 'publish':
      return compilePublish(resource);
    case 'open':
      return [compileOpen(resource)];
    case 'link': {
      const { from, to, protocol, port, bridge } = resource;
      const key = `${sameFamily(from, 4)} . ${sameFamily(to, 4)} . ${protocol} . ${port}`;
      return [{ set: 'linked4', key, comment: checked(bridge) }];
    }
  }
}

function compileBridge({ bridge, subnet, internal, icc, mode }: BridgeRule): Element[] {
  const name = quoted(bridge);
  const family = familyOf(subnet);
  const ofFamily = `ipv${family} . ${name}`;
  const elements: Element[] = [
    { set: 'bridges', key: name },
    { set: `subnets${family}`, key: `${prefixText(subnet)} . ${name}` },
    { set: icc === false ? 'confined' : 'turning', key: `${name} . ${name}` },
  ];
  if (internal) elements.push({ set: 'internal', key: name });
  if (mode === 'nat-unprotected') elements.push({ set: 'unprotected', key: ofFamily });
  if (mode === 'routed') elements.push({ set: 'routed', key: ofFamily });
  return elements;
}

function compilePublish({ protocol, hostAddress, hostPort, count, address, port, bridge }: PublishRule): Element[] {
  const family = familyOf(hostAddress);
  const any = hostAddress === UNSPECIFIED[family];
  const from = any ? protocol : `${hostAddress} . ${protocol}`;
  const to = sameFamily(address, family);
  const last = hostPort + count - 1;
  const comment = checked(bridge);
  if (count > 1 && hostPort === port) {
    const key = `${from} . ${hostPort}-${last}`;
    return [{ set: any ? `range${family}_any` : `range${family}`, key, value: to, comment }];
  }
  return Array.from({ length: count }, (_, i) => ({
    set: any ? `port${family}_any` : `port${family}`,
    key: `${from} . ${hostPort + i}`,
    value: `${to} . ${port + i}`,
    comment: count === 1 ? comment : `${comment} ${hostPort}-${last}`,
  }));
}

function compileOpen({ protocol, address, port, count, bridge, through }: OpenRule): Element {
  const ports = count === 1 ? `${port}` : `${port}-${port + count - 1}`;
  const family = familyOf(address);
  const key = `${address} . ${protocol} . ${ports}`;
  const comment = checked(bridge);
  if (through === undefined) return { set: `opened${family}`, key, comment };
  return { set: `through${family}`, key: `${quoted(through)} . ${key}`, comment };
}

/** nft lists a prefix that holds one address as that address. */
function prefixText(prefix: Prefix): string {
  return lengthOf(prefix) === (familyOf(prefix) === 4 ? 32 : 128) ? addressOf(prefix) : prefix;
}

function sameFamily(address: IpAddress, family: 4 | 6): IpAddress {
  if (familyOf(address) === family) return address;
  throw new EngineError('invalidArgument', `Cannot translate IPv${family} to ${address}`);
}

/** In nft's strings `"` ends, `*` means anything, and there is no escape for the first. Comments are split at spaces. */
function checked(link: string): string {
  if (!/["*\\\s]/.test(link)) return link;
  throw new EngineError('invalidArgument', `Cannot filter link ${link}: nftables has no way to write its name`);
}

function quoted(link: string): string {
  return `"${checked(link)}"`;
}
