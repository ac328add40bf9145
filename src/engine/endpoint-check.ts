import { type AddressFamily, FAMILIES, type IpAddress } from '../model/address.ts';
import type { EndpointRequest } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import { type Network, PREDEFINED_NETWORKS, poolOf } from '../model/network.ts';
import { endpointOptionProblems } from './endpoint-options.ts';

/**
 * Refuses what a network cannot give, with everything that is wrong at once, as Docker does (validateEndpointSettings).
 * @param network undefined: there is none of that name yet; then only the name can be judged
 * @throws EngineError invalidArgument "invalid endpoint settings:\n…"
 */
export function checkEndpoint(request: EndpointRequest, network: Network | undefined): void {
  const problems = [
    ...predefinedProblems(request, network?.name ?? request.network),
    ...FAMILIES.flatMap((family) =>
      addressProblems(family === 4 ? request.address : request.address6, network, family),
    ),
    ...endpointOptionProblems(request.driverOptions),
  ];
  if (problems.length === 0) return;
  const list = problems.length === 1 ? problems.join() : problems.map((problem) => `* ${problem}`).join('\n');
  throw new EngineError('invalidArgument', `invalid endpoint settings:\n${list}`);
}

function predefinedProblems({ address, address6, aliases }: EndpointRequest, name: string): string[] {
  if (!PREDEFINED_NETWORKS.includes(name)) return [];
  return [
    ...(address === undefined && address6 === undefined
      ? []
      : ['user specified IP address is supported on user defined networks only']),
    ...(aliases.length === 0 ? [] : ['network-scoped alias is supported only for containers in user defined networks']),
  ];
}

function addressProblems(
  address: IpAddress | undefined,
  network: Network | undefined,
  family: AddressFamily,
): string[] {
  if (address === undefined || network === undefined) return [];
  if (poolOf(network, family)?.subnetRequested !== true) {
    return ['user specified IP address is supported only when connecting to networks with user configured subnets'];
  }
  if (poolOf(network, family, [address]) !== undefined) return [];
  return [`no configured subnet or ip-range contain the IP address ${address}`];
}
