import type { Network } from '../src/model/network.ts';

/** A bridge network of IPv4 without pools, whose ID is its name; tests say what is different. @param options as its driver reads them */
export function plainNetwork<O>(name: string, options: O, over: Partial<Network<O>> = {}): Network<O> {
  return {
    id: name,
    name,
    driver: 'bridge',
    created: '2025-01-01T00:00:00.000000000Z',
    internal: false,
    attachable: false,
    ipv4: true,
    ipv6: false,
    ipamDriver: 'default',
    ipamOptions: {},
    pools: [],
    driverOptions: {},
    options,
    labels: {},
    ...over,
  };
}
