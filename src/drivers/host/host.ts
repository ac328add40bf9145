import { parseIpAddress } from '../../model/address.ts';
import { type NetworkDriver, USUAL_TRAITS } from '../driver.ts';

/** Containers share the host's own network: there is nothing to make. */
export const host: NetworkDriver = {
  name: 'host',
  parse: () => ({}),
  traits: () => ({ ...USUAL_TRAITS, addresses: false, hostBinding: parseIpAddress('0.0.0.0') }),
  subnets: () => ({ manySubnets: false, subnetless: true, gateways: [], sharedSubnets: false }),
  network: () => [],
  endpoint: () => [],
};
