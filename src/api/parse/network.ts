import type { NetworkRequest, PoolRequest } from '../../engine/requests.ts';
import type { EndpointRequest } from '../../model/container.ts';
import { invalid } from '../status.ts';
import { type ApiVersion, atLeast } from '../version.ts';
import { parseEndpoint } from './endpoint.ts';
import { Fields } from './fields.ts';

/** The CLI's names for what is refused when it is set. */
const FLAGS: Readonly<Record<string, string>> = {
  Ingress: '--ingress',
};

/** The body of POST /networks/create: { Name, Driver, IPAM: { Config: [{ Subnet, IPRange, Gateway }] }, Options, … }. @throws EngineError invalidArgument with Docker's words */
export function parseNetworkRequest(body: unknown, version: ApiVersion): NetworkRequest {
  const fields = new Fields(body, '');
  const ipam = fields.child('IPAM');
  const [ipv4, ipv6] = [fields.optionalFlag('EnableIPv4'), fields.optionalFlag('EnableIPv6')];
  const configFrom = fields.child('ConfigFrom').text('Network');
  const request: NetworkRequest = {
    name: fields.text('Name'),
    driver: fields.text('Driver'),
    internal: fields.flag('Internal'),
    attachable: fields.flag('Attachable'),
    // Before 1.48 there was no such field, and what older clients send there means nothing.
    ...(ipv4 === undefined || !atLeast(version, '1.48') ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    pools: ipam.children('Config').map(parsePool),
    ipamDriver: ipam.text('Driver'),
    ipamOptions: ipam.isGiven('Options') ? ipam.map('Options') : null,
    driverOptions: fields.map('Options'),
    labels: fields.map('Labels'),
    ...(fields.flag('ConfigOnly') ? { configOnly: true } : {}),
    ...(configFrom === '' ? {} : { configFrom }),
  };
  ipam.close();
  refuseRest(fields);
  if (request.name.trim() === '') throw invalid('invalid name: name is empty');
  return request;
}

/** What Docker's networks can be and Fairway's cannot yet. @throws EngineError invalidArgument */
function refuseRest(fields: Fields): void {
  const scope = fields.text('Scope');
  if (scope === 'swarm') throw invalid('cannot create a swarm scoped network when swarm is not active');
  if (scope !== '' && scope !== 'local') throw invalid(`invalid scope: ${scope}`);
  fields.ignore('CheckDuplicate');
  fields.close(FLAGS);
}

/** Only text: whether it makes sense as a whole is ipam's to say. */
function parsePool(config: Fields): PoolRequest {
  const given = (name: string) => config.text(name) || undefined;
  const [subnet, range, gateway] = [given('Subnet'), given('IPRange'), given('Gateway')];
  const auxiliary = config.map('AuxiliaryAddresses');
  config.close();
  return {
    ...(subnet === undefined ? {} : { subnet }),
    ...(range === undefined ? {} : { range }),
    ...(gateway === undefined ? {} : { gateway }),
    auxiliary,
  };
}

interface ConnectRequest {
  readonly container: string;
  readonly endpoint: EndpointRequest;
}

/**
 * The body of POST /networks/{id}/connect. Clients before API 1.54 send back what inspect showed of another endpoint, and its
 * MAC address is one of the fields that were never read: two links with the same one would break both.
 * @throws EngineError invalidArgument
 */
export function parseConnect(network: string, body: unknown): ConnectRequest {
  const fields = new Fields(body, '');
  const container = fields.text('Container');
  const { mac: _, ...endpoint } = parseEndpoint(network, fields.child('EndpointConfig'));
  fields.close();
  if (container === '') throw invalid('invalid container name or ID: value is empty');
  return { container, endpoint };
}

/** The body of POST /networks/{id}/disconnect. @throws EngineError invalidArgument */
export function parseDisconnect(body: unknown): { readonly container: string; readonly force: boolean } {
  const fields = new Fields(body, '');
  const request = { container: fields.text('Container'), force: fields.flag('Force') };
  fields.close();
  if (request.container === '') throw invalid('invalid container name or ID: value is empty');
  return request;
}
