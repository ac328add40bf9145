import { parseIpAddress } from '../../model/address.ts';
import { type NetworkDriver, USUAL_TRAITS } from '../driver.ts';

/** A sandbox with nothing but its loopback, which every sandbox has anyway. */
export const nullDriver: NetworkDriver = {
  name: 'null',
  parse: () => ({}),
  traits: () => ({ ...USUAL_TRAITS, addresses: false, hostBinding: parseIpAddress('0.0.0.0') }),
  subnets: () => ({ manySubnets: false, subnetless: true, gateways: [], sharedSubnets: false }),
  network: () => [],
  endpoint: () => [],
};
