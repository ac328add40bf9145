import type { NetworkConfig } from '../engine/config.ts';
import { EngineError } from '../model/errors.ts';
import {
  parseAddressFlag,
  parseAddressPool,
  parseBip,
  parseCidrFlag,
  parseFirewallMark,
  parseHostGateways,
  parseMtu,
  parseNetworkOptions,
} from './network-values.ts';
import type { Reader } from './reader.ts';

/** @throws EngineError invalidArgument in dockerd's words */
export function parseNetworkConfig(read: Reader): NetworkConfig {
  refuseConflicts(read);
  refuseBackend(read.text('firewallBackend') ?? 'nftables');
  return {
    ...defaultBridge(read),
    mtu: parseMtu(read.text('mtu') ?? 'auto'),
    icc: read.flag('icc', 'icc', true),
    ip: parseAddressFlag('ip', read.text('ip') ?? '0.0.0.0'),
    ipMasq: read.flag('ipMasq', 'ip-masq', true),
    ipv6: read.flag('ipv6', 'ipv6', false),
    defaultAddressPools: read.list('defaultAddressPools').map(parseAddressPool),
    defaultNetworkOptions: parseNetworkOptions(read.list('defaultNetworkOptions')),
    dns: read.list('dns').map((text) => parseAddressFlag('dns', text)),
    dnsOptions: read.list('dnsOptions'),
    dnsSearch: read.list('dnsSearch'),
    hostGateways: parseHostGateways(read.list('hostGatewayIps')),
    ipForward: read.flag('ipForward', 'ip-forward', true),
    ipForwardNoDrop: read.flag('ipForwardNoDrop', 'ip-forward-no-drop', false),
    firewall: { ipv4: read.flag('iptables', 'iptables', true), ipv6: read.flag('ip6tables', 'ip6tables', true) },
    ...read.optional('acceptMark', 'acceptFwmark', parseFirewallMark),
    allowDirectRouting: read.flag('allowDirectRouting', 'allow-direct-routing', false),
  };
}

function defaultBridge(read: Reader) {
  return {
    ...read.optional('bip', 'bip', (text) => parseBip('bip', text)),
    ...read.optional('bip6', 'bip6', (text) => parseBip('bip6', text)),
    ...read.optional('bridge', 'bridge', String),
    ...read.optional('fixedCidr', 'fixedCidr', (text) => parseCidrFlag('fixed-cidr', text, 4)),
    ...read.optional('fixedCidrV6', 'fixedCidrV6', (text) => parseCidrFlag('fixed-cidr-v6', text, 6)),
    ...read.optional('defaultGateway', 'defaultGateway', (text) => parseAddressFlag('default-gateway', text, 4)),
    ...read.optional('defaultGatewayV6', 'defaultGatewayV6', (text) => parseAddressFlag('default-gateway-v6', text, 6)),
  };
}

/** moby: daemon_unix.go, verifyDaemonSettings. */
function refuseConflicts(read: Reader): void {
  const ownBridge = read.text('bridge') !== undefined;
  const refuse = (message: string) => {
    throw new EngineError('invalidArgument', message);
  };
  for (const bip of ['bip', 'bip6'] as const) {
    if (ownBridge && read.text(bip) !== undefined) {
      refuse(`You specified -b & --${bip}, mutually exclusive options. Please specify only one`);
    }
  }
  // Docker's words name the rule of its firewall that icc=false is made of.
  if (!read.flag('iptables', 'iptables', true) && !read.flag('icc', 'icc', true)) {
    refuse(
      'You specified --iptables=false with --icc=false. ICC=false uses iptables to function. Please set --icc or --iptables to true',
    );
  }
}

function refuseBackend(backend: string): void {
  if (backend === 'nftables') return;
  const why =
    backend === 'iptables'
      ? 'Fairway’s rules are nftables tables of its own; rules of iptables beside them keep their effect'
      : 'want nftables';
  throw new EngineError('invalidArgument', `invalid firewall-backend "${backend}": ${why}`);
}
