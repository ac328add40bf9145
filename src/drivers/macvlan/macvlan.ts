import { EngineError } from '../../model/errors.ts';
import type { Endpoint, Network, Sandbox } from '../../model/network.ts';
import type { Resource } from '../../model/resource.ts';
import type { NetworkDriver } from '../driver.ts';
import { describeAddressing, describeParent, dummyName, neighboursOf, parentOf, parentTraits } from '../parent.ts';
import { type MacvlanOptions, parseMacvlanOptions } from './options.ts';

/** Every endpoint is a station of its own on the parent's wire, with a MAC address of its own. */
export const macvlan: NetworkDriver<MacvlanOptions> = {
  name: 'macvlan',
  parse: parseMacvlanOptions,
  traits: ({ parent }) => ({ ...parentTraits, ownMac: true, defaultRoute: parent === undefined ? 'none' : 'gateway' }),
  subnets: () => ({ manySubnets: true, subnetless: true, gateways: [], sharedSubnets: true }),
  check: refuseBesidePassthru,
  network: describeParent,
  endpoint: (network, endpoint, sandbox) => [
    slave(network, endpoint, sandbox),
    ...describeAddressing(endpoint, sandbox),
  ],
};

/** In passthru mode the parent's wire is one link's alone. @throws EngineError internal in Docker's words */
function refuseBesidePassthru(network: Network<MacvlanOptions>, others: readonly Network<MacvlanOptions>[]): void {
  for (const other of neighboursOf(network, others)) {
    const inUse = `macvlan network ${dummyName(other)} is already using parent interface ${parentOf(other)}`;
    if (network.options.mode === 'passthru') {
      throw new EngineError('internal', `cannot use mode passthru, ${inUse}`);
    }
    if (other.options.mode === 'passthru') throw new EngineError('internal', `${inUse} in mode passthru`);
  }
}

function slave(network: Network<MacvlanOptions>, { interfaceName, mac }: Endpoint, { namespace }: Sandbox): Resource {
  return {
    kind: 'link',
    type: 'macvlan',
    namespace,
    name: interfaceName,
    up: true,
    parent: parentOf(network),
    mode: network.options.mode,
    ...(mac === undefined ? {} : { mac }),
  };
}
