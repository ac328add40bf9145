import { EngineError } from '../../model/errors.ts';
import type { Endpoint, Network, Sandbox } from '../../model/network.ts';
import type { Resource } from '../../model/resource.ts';
import { describeAddressing } from '../addressing.ts';
import type { NetworkDriver } from '../driver.ts';
import { describeHostAccess, describeHostRoutes } from '../host-access.ts';
import { describeParent, dummyName, neighboursOf, parentOf, parentTraits, wireGateways } from '../parent.ts';
import { type IpvlanOptions, parseIpvlanOptions } from './options.ts';

/** Every endpoint has IP addresses of its own on the parent's wire, and shares the parent's MAC address. */
export const ipvlan: NetworkDriver<IpvlanOptions> = {
  name: 'ipvlan',
  parse: parseIpvlanOptions,
  traits: ({ parent, mode, hostAccess }) => ({
    ...parentTraits,
    ownMac: false,
    defaultRoute: routing(parent, mode),
    ...(hostAccess === undefined ? {} : { hostAddresses: hostAccess.addresses }),
  }),
  subnets: (options, internal) => {
    const gateways = options.mode === 'l2' ? wireGateways(options, internal) : [];
    return { manySubnets: true, subnetless: true, gateways, sharedSubnets: true };
  },
  check: refuseBesideOthers,
  network: (network) => [...describeParent(network), ...describeHostAccess(network, slaveOf(network))],
  endpoint: (network, endpoint, sandbox) => [
    slave(network, endpoint, sandbox),
    ...describeAddressing(endpoint, sandbox),
    ...describeHostRoutes(network, endpoint),
  ],
};

/** In the l3 modes the parent's own routing table leads on: containers hand everything to their link. */
function routing(parent: string | undefined, mode: IpvlanOptions['mode']): 'gateway' | 'link' | 'none' {
  if (parent === undefined) return 'none';
  return mode === 'l2' ? 'gateway' : 'link';
}

/** The mode is the parent's, and the same for all that hang from it. @throws EngineError internal in Docker's words */
function refuseBesideOthers(network: Network<IpvlanOptions>, others: Iterable<Network<IpvlanOptions>>): void {
  const [other] = neighboursOf(network, others);
  if (other === undefined) return;
  const message = `network ${dummyName(other)} is already using parent interface ${parentOf(other)}`;
  throw new EngineError('internal', message);
}

function slaveOf(network: Network<IpvlanOptions>) {
  const { mode, flag } = network.options;
  return { kind: 'link', type: 'ipvlan', up: true, parent: parentOf(network), mode, flag } as const;
}

function slave(network: Network<IpvlanOptions>, { interfaceName }: Endpoint, { namespace }: Sandbox): Resource {
  return { ...slaveOf(network), namespace, name: interfaceName };
}
