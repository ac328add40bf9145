import type { Endpoint, Network, Sandbox } from '../../model/network.ts';
import type { Resource } from '../../model/resource.ts';
import { describeAddressing } from '../addressing.ts';
import type { NetworkDriver } from '../driver.ts';
import { announcement } from '../endpoint.ts';
import { parentTraits } from '../parent.ts';
import { type OpenVswitchOptions, parseOpenVswitchOptions } from './options.ts';

/**
 * Every endpoint is a port of an Open vSwitch bridge that is there, in a VLAN or none. What lies behind the bridge, and the gateway
 * in it, is the administrator's: a gateway is what was asked for, and ports are not published.
 */
export const openvswitch: NetworkDriver<OpenVswitchOptions> = {
  name: 'openvswitch',
  parse: parseOpenVswitchOptions,
  traits: () => ({ ...parentTraits, ownMac: true, defaultRoute: 'gateway' }),
  subnets: () => ({ manySubnets: true, subnetless: true, gateways: [], sharedSubnets: true }),
  network: () => [],
  endpoint: (network, endpoint, sandbox) => [
    ...port(network, endpoint, sandbox),
    ...describeAddressing(endpoint, sandbox),
  ],
};

function port({ options }: Network<OpenVswitchOptions>, endpoint: Endpoint, { namespace }: Sandbox): Resource[] {
  const { bridge, vlan, mtu } = options;
  const { interfaceName, mac, id } = endpoint;
  const name = `veth${id.slice(0, 7)}`;
  return [
    {
      kind: 'link',
      type: 'veth',
      namespace: 'host',
      name,
      mtu,
      up: true,
      master: '',
      isolated: false,
      ...announcement(endpoint),
      peer: { namespace, name: interfaceName, mtu, ...(mac === undefined ? {} : { mac }) },
    },
    {
      kind: 'switch-port',
      namespace: 'host',
      bridge,
      link: name,
      inner: { namespace, link: interfaceName },
      ...(vlan === undefined ? {} : { tag: vlan }),
    },
  ];
}
