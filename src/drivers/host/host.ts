import { parseIpAddress } from '../../model/address.ts';
import type { NetworkDriver } from '../driver.ts';

/** Containers share the host's own network: there is nothing to make. */
export const host: NetworkDriver = {
  name: 'host',
  parse: () => ({}),
  traits: () => ({ addresses: false, interfacePrefix: 'eth', hostBinding: parseIpAddress('0.0.0.0') }),
  subnets: () => ({ manySubnets: false, subnetless: true, gateways: [], sharedSubnets: false }),
  network: () => [],
  endpoint: () => [],
};
