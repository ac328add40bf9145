import { checkPools } from '../ipam/request.ts';
import { FAMILIES } from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import type { Network } from '../model/network.ts';
import { newId, timestamp } from './ids.ts';
import { driverOf } from './intent.ts';
import type { CompleteRequest } from './network-request.ts';
import type { NetworkRequest } from './requests.ts';

type Networks = ReadonlyMap<string, Network>;

/**
 * `network create --config-only`: what other networks are made from. It is nothing in the kernel, and holds no subnet: each
 * network made from it asks ipam itself.
 * @throws EngineError forbidden or invalidArgument in Docker's words (moby: libnetwork/network.go, validateConfiguration)
 */
export function planConfiguration(request: CompleteRequest): Network {
  const { name, pools, ipamOptions, driverOptions, labels, ipv4, ipv6 } = request;
  if (request.internal || request.attachable) {
    throw new EngineError(
      'forbidden',
      'configuration network can only contain network specific fields. ' +
        'Network operator fields like [ ingress | internal | attachable | scope ] are not supported.',
    );
  }
  if (request.configFrom !== undefined) {
    throw new EngineError('forbidden', 'a configuration network cannot depend on another configuration network');
  }
  checkPools(pools, FAMILIES);
  const driver = driverOf('null');
  return {
    id: newId(),
    name,
    driver: driver.name,
    created: timestamp(),
    internal: false,
    attachable: false,
    ipv4,
    ipv6,
    ipamDriver: request.ipamDriver || 'default',
    ipamOptions,
    pools: [],
    configuration: pools,
    driverOptions,
    options: driver.parse({}),
    labels,
  };
}

/**
 * `network create --config-from`: the request with what the configuration network says.
 * @throws EngineError forbidden when it says something of that itself, notFound, both in Docker's words
 */
export function withConfiguration(networks: Networks, request: NetworkRequest, from: string): CompleteRequest {
  refuseOwnConfiguration(request);
  const found = configurationNetwork(networks, from);
  return {
    ...request,
    ipv4: found.ipv4,
    ipv6: found.ipv6,
    ipamDriver: found.ipamDriver,
    ipamOptions: found.ipamOptions,
    pools: found.configuration ?? [],
    driverOptions: found.driverOptions,
    labels: found.labels,
  };
}

function refuseOwnConfiguration({ pools, ipv6, labels, ipamDriver, ipamOptions, driverOptions }: NetworkRequest): void {
  const named = [labels, ipamOptions ?? {}].some((map) => Object.keys(map).length > 0);
  if (pools.length > 0 || ipv6 === true || named || (ipamDriver !== '' && ipamDriver !== 'default')) {
    throw new EngineError(
      'forbidden',
      'user specified configurations are not supported if the network depends on a configuration network',
    );
  }
  if (Object.keys(driverOptions).length > 0) {
    throw new EngineError(
      'forbidden',
      'network driver options are not supported if the network depends on a configuration network',
    );
  }
}

function configurationNetwork(networks: Networks, name: string): Network {
  const found = [...networks.values()].find((network) => network.name === name && isConfiguration(network));
  if (found === undefined) throw new EngineError('notFound', `configuration network "${name}" does not exist`);
  return found;
}

/** Made with `--config-only`: no container can be on it. */
export function isConfiguration(network: Network): boolean {
  return network.configuration !== undefined;
}

/** @throws EngineError forbidden in Docker's words */
export function refuseEndpoints(network: Network): void {
  if (!isConfiguration(network)) return;
  throw new EngineError('forbidden', 'cannot create endpoint on configuration-only network');
}

/** @throws EngineError forbidden in Docker's words while networks are made from it */
export function refuseRemoval(networks: Networks, network: Network): void {
  const users =
    isConfiguration(network) && [...networks.values()].some(({ configFrom }) => configFrom === network.name);
  if (!users) return;
  const text = `configuration network "${network.name}" is in use`;
  throw new EngineError('forbidden', `error while removing network: ${text}`);
}
