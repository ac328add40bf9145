import { type IpAddress, isIpAddress, parseIpAddress } from '../../model/address.ts';
import { EngineError } from '../../model/errors.ts';
import { type DriverOptions, optionFlag } from '../../model/network.ts';

/** What the bridge driver understands of `-o`, parsed, defaults filled in. */
export interface BridgeOptions {
  /** The Linux bridge; undefined: "br-" and the first 12 digits of the network's id */
  readonly bridge?: string;
  /** Containers of this network reach each other */
  readonly icc: boolean;
  readonly masquerade: boolean;
  /** Where ports are published when `-p` names no address */
  readonly hostBinding: IpAddress;
  readonly defaultBridge: boolean;
  /** Bytes; of the bridge and of both ends of every veth. undefined: the network's, which follows the host */
  readonly mtu?: number;
  /** Links in sandboxes are called this and a number */
  readonly interfacePrefix: string;
}

/** RFC 791: every module must forward 68 bytes; the kernel's ETH_MIN_MTU. Its highest is 65535 (ETH_MAX_MTU). */
const MTU_BOUNDS = { lowest: 68, highest: 65535 } as const;

const PREFIX = 'com.docker.network.';

/** Docker knows these, this version does not: saying nothing would leave people with a network they did not ask for. */
const UNSUPPORTED: Readonly<Record<string, readonly string[]>> = {
  [`${PREFIX}bridge.gateway_mode_ipv4`]: ['', 'nat'],
  [`${PREFIX}bridge.gateway_mode_ipv6`]: ['', 'nat'],
  [`${PREFIX}bridge.inhibit_ipv4`]: ['', '0', 'f', 'F', 'FALSE', 'false', 'False'],
  [`${PREFIX}bridge.trusted_host_interfaces`]: [''],
  [`${PREFIX}host_ipv4`]: [''],
  [`${PREFIX}host_ipv6`]: [''],
};

/** @throws EngineError invalidArgument in Docker's words, or unsupported */
export function parseBridgeOptions(options: DriverOptions): BridgeOptions {
  refuseUnsupported(options);
  const read = <T>(name: string, fallback: T, parse: (label: string, value: string) => T): T => {
    const label = PREFIX + name;
    const value = options[label];
    return value === undefined ? fallback : parse(label, value);
  };
  const bridge = read('bridge.name', undefined, parseLinkName);
  const mtu = read('driver.mtu', undefined, parseMtu);
  return {
    ...(bridge === undefined ? {} : { bridge }),
    icc: read('bridge.enable_icc', true, parseBoolean),
    masquerade: read('bridge.enable_ip_masquerade', true, parseBoolean),
    hostBinding: read('bridge.host_binding_ipv4', parseIpAddress('0.0.0.0'), parseHostBinding),
    defaultBridge: read('bridge.default_bridge', false, parseBoolean),
    ...(mtu === undefined ? {} : { mtu }),
    interfacePrefix: read('container_iface_prefix', 'eth', parseInterfacePrefix),
  };
}

function refuseUnsupported(options: DriverOptions): void {
  for (const [label, allowed] of Object.entries(UNSUPPORTED)) {
    const value = options[label];
    if (value !== undefined && !allowed.includes(value)) {
      throw new EngineError('unsupported', `option ${label}=${value} is not supported by this version`);
    }
  }
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
  if (value.includes(':')) {
    throw new EngineError('unsupported', `option ${label}=${value} is not supported by this version`);
  }
  return parseIpAddress(value);
}

function parseLinkName(label: string, value: string): string {
  if (isLinkName(value)) return value;
  throw unparsable(label, value, 'invalid interface name');
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
