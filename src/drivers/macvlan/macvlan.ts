import { EngineError } from '../../model/errors.ts';
import type { Endpoint, Network, Sandbox } from '../../model/network.ts';
import type { Resource } from '../../model/resource.ts';
import { describeAddressing } from '../addressing.ts';
import type { NetworkDriver } from '../driver.ts';
import { announcement } from '../endpoint.ts';
import { describeHostAccess, describeHostRoutes } from '../host-access.ts';
import { describeParent, dummyName, neighboursOf, parentOf, parentTraits, wireGateways } from '../parent.ts';
import { type MacvlanOptions, parseMacvlanOptions } from './options.ts';

/** Every endpoint is a station of its own on the parent's wire, with a MAC address of its own. */
export const macvlan: NetworkDriver<MacvlanOptions> = {
  name: 'macvlan',
  parse: parseMacvlanOptions,
  traits: ({ parent, hostAccess }) => ({
    ...parentTraits,
    ownMac: true,
    defaultRoute: parent === undefined ? 'none' : 'gateway',
    ...(hostAccess === undefined ? {} : { hostAddresses: hostAccess.addresses }),
  }),
  subnets: (options, internal) => {
    const gateways = wireGateways(options, internal);
    return { manySubnets: true, subnetless: true, gateways, sharedSubnets: true, onLan: true };
  },
  check: refuseBesidePassthru,
  network: (network) => [...describeParent(network), ...describeHostAccess(network, slaveOf(network))],
  endpoint: (network, endpoint, sandbox) => [
    slave(network, endpoint, sandbox),
    ...describeAddressing(endpoint, sandbox),
    ...describeHostRoutes(network, endpoint),
  ],
};

/** In passthru mode the parent's wire is one link's alone. @throws EngineError internal in Docker's words */
function refuseBesidePassthru(network: Network<MacvlanOptions>, others: Iterable<Network<MacvlanOptions>>): void {
  for (const other of neighboursOf(network, others)) {
    const inUse = `macvlan network ${dummyName(other)} is already using parent interface ${parentOf(other)}`;
    if (network.options.mode === 'passthru') {
      throw new EngineError('internal', `cannot use mode passthru, ${inUse}`);
    }
    if (other.options.mode === 'passthru') throw new EngineError('internal', `${inUse} in mode passthru`);
  }
}

function slaveOf(network: Network<MacvlanOptions>) {
  const { mode } = network.options;
  return { kind: 'link', type: 'macvlan', up: true, parent: parentOf(network), mode } as const;
}

function slave(network: Network<MacvlanOptions>, endpoint: Endpoint, { namespace }: Sandbox): Resource {
  const { interfaceName: name, mac } = endpoint;
  return { ...slaveOf(network), namespace, name, ...announcement(endpoint), ...(mac === undefined ? {} : { mac }) };
}
