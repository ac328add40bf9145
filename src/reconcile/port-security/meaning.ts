import { addressToNumber, familyOf, type IpAddress, parseIpAddress, parseMacAddress } from '../../model/address.ts';
import { EngineError } from '../../model/errors.ts';
import type { PortSecurityResource } from '../../model/resource.ts';
import { type Element, elementId } from '../firewall/element.ts';

/** The elements that say in nftables what the resource says in words. */
export function compilePort({ link, mac, addresses }: PortSecurityResource): Element[] {
  const name = `"${link}"`;
  return [
    { set: 'ports', key: name },
    { set: 'macs', key: `${name} . ${mac}` },
    ...addresses.flatMap((address): Element[] => {
      const family = familyOf(address);
      const sender: Element = { set: `senders${family}`, key: `${name} . ${mac} . ${address}` };
      return family === 4 ? [sender] : [sender, { set: 'targets6', key: `${name} . ${addressText(address)}` }];
    }),
  ];
}

/** A number of 128 bits. */
function addressText(address: IpAddress): string {
  return `0x${addressToNumber(address).toString(16).padStart(32, '0')}`;
}

/** The reverse; undefined when something is missing or left over. */
export function decompilePorts(elements: readonly Element[]): PortSecurityResource[] | undefined {
  try {
    const resources = readPorts(elements);
    const found = new Set(elements.map(elementId));
    const meant = new Set(resources.flatMap(compilePort).map(elementId));
    return found.size === meant.size && found.isSubsetOf(meant) ? resources : undefined;
  } catch (error) {
    if (error instanceof EngineError) return undefined; // an address that is none
    throw error;
  }
}

function readPorts(elements: readonly Element[]): PortSecurityResource[] {
  const byLink = Map.groupBy(elements, ({ key }) => key.split(' . ')[0] ?? '');
  return [...byLink].map(([name, own]) => {
    const fields = (...sets: Element['set'][]) =>
      own.filter(({ set }) => sets.includes(set)).map(({ key }) => key.slice(name.length).split(' . '));
    const addresses = fields('senders4', 'senders6').map(([, , address = '']) => parseIpAddress(address));
    const [[, mac = ''] = []] = fields('macs');
    return {
      kind: 'port-security',
      namespace: 'host',
      link: name.slice(1, -1),
      mac: parseMacAddress(mac),
      addresses: addresses.toSorted(),
    };
  });
}
