import { type AddressFamily, familyOf, type IpAddress, isIpAddress, parseIpAddress } from '../../model/address.ts';
import { EngineError } from '../../model/errors.ts';
import { type DriverOptions, optionFlag } from '../../model/network.ts';

/**
 * `nat`: addresses are translated both ways. `nat-unprotected`: the same, and all ports are open to who knows a way to the
 * container. `routed`: nothing is translated, and published ports are opened. `isolated`: the host has no address there.
 */
type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated';

const GATEWAY_MODES: readonly string[] = ['nat', 'nat-unprotected', 'routed', 'isolated'] satisfies GatewayMode[];

/** What the bridge driver understands of `-o`, parsed, defaults filled in. */
export interface BridgeOptions {
  /** The Linux bridge; undefined: "br-" and the first 12 digits of the network's id */
  readonly bridge?: string;
  /** Containers of this network reach each other */
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** Where ports are published when `-p` names no address */
  readonly hostBinding: IpAddress;
  /** How containers are reached and leave, by family */
  readonly gatewayModes: Readonly<Record<AddressFamily, GatewayMode>>;
  /** The bridge does not carry the gateway's IPv4 address: somebody else is the gateway */
  readonly inhibitIpv4: boolean;
  /** Through these links of the host published ports are reachable by the container's own address */
  readonly trustedLinks: readonly string[];
  /** What leaves carries this address of the host, instead of that of the link it leaves by */
  readonly sources: Readonly<Partial<Record<AddressFamily, IpAddress>>>;
  readonly defaultBridge: boolean;
  /** Containers send from their own addresses alone */
  readonly portSecurity: boolean;
  /** Bytes; of the bridge and of both ends of every veth. undefined: the network's, which follows the host */
  readonly mtu?: number;
  /** Links in sandboxes are called this and a number */
  readonly interfacePrefix: string;
}

/** RFC 791: every module must forward 68 bytes; the kernel's ETH_MIN_MTU. Its highest is 65535 (ETH_MAX_MTU). */
const MTU_BOUNDS = { lowest: 68, highest: 65535 } as const;

const PREFIX = 'com.docker.network.';
/** Fairway's own, by the name that OpenStack and OVN have for it. */
const PORT_SECURITY = 'port_security';

/** @throws EngineError invalidArgument in Docker's words, or unsupported */
export function parseBridgeOptions(options: DriverOptions): BridgeOptions {
  const read = <T>(name: string, fallback: T, parse: (label: string, value: string) => T): T => {
    const label = PREFIX + name;
    const value = options[label];
    return value === undefined ? fallback : parse(label, value);
  };
  const bridge = read('bridge.name', undefined, parseLinkName);
  const mtu = read('driver.mtu', undefined, parseMtu);
  const host4 = read('host_ipv4', undefined, parseAddress(4));
  const host6 = read('host_ipv6', undefined, parseAddress(6));
  const sources = { ...(host4 === undefined ? {} : { 4: host4 }), ...(host6 === undefined ? {} : { 6: host6 }) };
  return {
    ...(bridge === undefined ? {} : { bridge }),
    icc: read('bridge.enable_icc', true, parseBoolean),
    masquerade: read('bridge.enable_ip_masquerade', true, parseBoolean),
    hostBinding: read('bridge.host_binding_ipv4', parseIpAddress('0.0.0.0'), parseHostBinding),
    gatewayModes: {
      4: read('bridge.gateway_mode_ipv4', 'nat', parseGatewayMode),
      6: read('bridge.gateway_mode_ipv6', 'nat', parseGatewayMode),
    },
    inhibitIpv4: read('bridge.inhibit_ipv4', false, parseBoolean),
    trustedLinks: read('bridge.trusted_host_interfaces', [], parseLinkNames),
    sources,
    portSecurity: parseBoolean(PORT_SECURITY, options[PORT_SECURITY] ?? 'false'),
    defaultBridge: read('bridge.default_bridge', false, parseBoolean),
    ...(mtu === undefined ? {} : { mtu }),
    interfacePrefix: read('container_iface_prefix', 'eth', parseInterfacePrefix),
  };
}

function parseBoolean(label: string, value: string): boolean {
  const flag = optionFlag(value);
  if (flag !== undefined) return flag;
  throw unparsable(label, value, `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
}

/** 0 asks for the default, as in Docker. */
function parseMtu(label: string, value: string): number | undefined {
  if (!/^[+-]?\d{1,18}$/.test(value)) {
    throw unparsable(label, value, `strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`);
  }
  const mtu = Number(value);
  if (mtu === 0) return undefined;
  if (mtu >= MTU_BOUNDS.lowest && mtu <= MTU_BOUNDS.highest) return mtu;
  throw new EngineError('invalidArgument', `invalid MTU number: ${mtu}`);
}

function parseHostBinding(label: string, value: string): IpAddress {
  if (!isIpAddress(value)) throw unparsable(label, value, 'nil ip');
  return parseIpAddress(value);
}

function parseLinkName(label: string, value: string): string {
  if (isLinkName(value)) return value;
  throw unparsable(label, value, 'invalid interface name');
}

/** "eth1:wg0". What is no name of a link is one that never comes. */
function parseLinkNames(_label: string, value: string): readonly string[] {
  return [...new Set(value.split(':').filter(isLinkName))];
}

/** The empty text asks for the default, as in Docker. */
function parseGatewayMode(label: string, value: string): GatewayMode {
  if (value === '') return 'nat';
  if (isGatewayMode(value)) return value;
  throw unparsable(label, value, `unknown gateway mode ${value}`);
}

function isGatewayMode(text: string): text is GatewayMode {
  return GATEWAY_MODES.includes(text);
}

/** The empty text asks for none. */
function parseAddress(family: AddressFamily): (label: string, value: string) => IpAddress | undefined {
  return (label, value) => {
    if (value === '') return undefined;
    if (!isIpAddress(value) || familyOf(parseIpAddress(value)) !== family) throw unparsable(label, value, 'nil ip');
    return parseIpAddress(value);
  };
}

/** Two digits follow at most: a sandbox has no more links than that before its name would not fit. */
function parseInterfacePrefix(label: string, value: string): string {
  if (isLinkName(`${value}00`)) return value;
  throw unparsable(label, value, 'invalid interface name');
}

/** dev_valid_name() in net/core/dev.c: 1 to 15 bytes, neither "." nor "..", no slash, colon or white space. */
function isLinkName(text: string): boolean {
  return /^[^\s/:\0]{1,15}$/.test(text) && new TextEncoder().encode(text).length <= 15 && !/^\.{1,2}$/.test(text);
}

function unparsable(label: string, value: string, reason: string): EngineError {
  return new EngineError('invalidArgument', `failed to parse ${label} value: ${value} (${reason})`);
}
