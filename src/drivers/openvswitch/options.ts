import { EngineError } from '../../model/errors.ts';
import type { DriverOptions } from '../../model/network.ts';

/** What the openvswitch driver understands of `-o`, parsed, defaults filled in. */
export interface OpenVswitchOptions {
  /** `-o bridge=`: an Open vSwitch bridge; "ovs0" unless told */
  readonly bridge: string;
  /** `-o vlan=`: ports carry this VLAN alone, untagged; undefined: what the bridge has, tags and all */
  readonly vlan?: number;
  /** `-o com.docker.network.driver.mtu=`: bytes; Ethernet's 1500 unless told */
  readonly mtu: number;
}

const DEFAULT_BRIDGE = 'ovs0';
const DEFAULT_MTU = 1500;
const MTU_LABEL = 'com.docker.network.driver.mtu';
/** The kernel's ETH_MIN_MTU and ETH_MAX_MTU. */
const MTU_BOUNDS = [68, 65535] as const;
/** 802.1Q has 12 bits for it; 0 and 4095 are reserved. */
const VLAN_BOUNDS = [1, 4094] as const;

/** @throws EngineError invalidArgument naming the option and the value */
export function parseOpenVswitchOptions(options: DriverOptions): OpenVswitchOptions {
  const { bridge = DEFAULT_BRIDGE } = options;
  const vlan = parseNumber('vlan', options['vlan'], VLAN_BOUNDS);
  const mtu = parseNumber(MTU_LABEL, options[MTU_LABEL], MTU_BOUNDS) ?? DEFAULT_MTU;
  if (!/^[^\s/"]{1,15}$/.test(bridge)) throw unparsable('bridge', bridge, 'invalid interface name');
  return { bridge, mtu, ...(vlan === undefined ? {} : { vlan }) };
}

function parseNumber(label: string, value = '', [lowest, highest]: readonly [number, number]): number | undefined {
  if (value === '') return undefined;
  const number = /^\d{1,6}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= lowest && number <= highest) return number;
  throw unparsable(label, value, `want a number from ${lowest} to ${highest}`);
}

function unparsable(label: string, value: string, reason: string): EngineError {
  return new EngineError('invalidArgument', `failed to parse ${label} value: ${value} (${reason})`);
}
