import {
  type AddressFamily,
  familyOf,
  type InterfaceAddress,
  type IpAddress,
  isIpAddress,
  type Prefix,
  parseInterfaceAddress,
  parseIpAddress,
  parsePrefix,
  prefixesOverlap,
  prefixOf,
} from '../model/address.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import type { DriverOptions, FirewallMark } from '../model/network.ts';

/**
 * In bytes: 68 (RFC 791: what every host must take) to 65,535 (the length field of IPv4). 0 is the default, as in dockerd.
 * @throws EngineError invalidArgument
 */
export function parseMtu(text: string): number | 'auto' {
  if (text === 'auto' || /^0+$/.test(text)) return 'auto';
  if (!/^\d{1,5}$/.test(text) || Number(text) < 68 || Number(text) > 65_535) {
    throw new EngineError(
      'invalidArgument',
      `invalid argument "${text}" for "--mtu" flag: want 68 to 65535 bytes, or auto`,
    );
  }
  return Number(text);
}

/** `base=10.10.0.0/16,size=24`, as dockerd's --default-address-pool. @throws EngineError invalidArgument */
export function parseAddressPool(text: string): { base: Prefix; size: number } {
  const fields = new Map(
    text.split(',').map((part): [string, string] => {
      const [name = '', value = ''] = part.split('=');
      return [name.trim().toLowerCase(), value.trim()];
    }),
  );
  const size = Number(fields.get('size') ?? Number.NaN);
  if (!fields.has('base') || !Number.isInteger(size) || fields.size !== 2) {
    throw new EngineError('invalidArgument', `invalid default address pool "${text}": want base=CIDR,size=BITS`);
  }
  const base = asFlag('default-address-pool', () => parsePrefix(fields.get('base') ?? ''));
  const length = Number(base.slice(base.indexOf('/') + 1));
  if (size < length || size > (familyOf(base) === 4 ? 32 : 128)) {
    throw new EngineError(
      'invalidArgument',
      `invalid default address pool "${text}": size ${size} is not within ${base}`,
    );
  }
  return { base, size };
}

/** IPv4 or IPv6. @param name the flag, for the message @throws EngineError invalidArgument */
export function parseAddressFlag(name: string, text: string, family?: AddressFamily): IpAddress {
  if (!isIpAddress(text)) throw flagError(name, text, `${text} is not an ip address`);
  const address = parseIpAddress(text);
  if (family === undefined || familyOf(address) === family) return address;
  throw flagError(name, text, `${text} is not an IPv${family} address`);
}

/** The default bridge's address with its prefix: "172.18.0.1/16". @throws EngineError invalidArgument */
export function parseBip(name: 'bip' | 'bip6', text: string): InterfaceAddress {
  return ofFamily(
    name,
    asFlag(name, () => parseInterfaceAddress(text)),
    name === 'bip' ? 4 : 6,
  );
}

/**
 * A subnet; host bits are cut off, as by dockerd.
 * @param name the flag, for the message
 * @throws EngineError invalidArgument; for IPv6 also for what no bridge can have: multicast, and what overlaps the link-local subnet without being it
 */
export function parseCidrFlag(name: string, text: string, family: AddressFamily): Prefix {
  const prefix = ofFamily(
    name,
    asFlag(name, () => prefixOf(parseInterfaceAddress(text))),
    family,
  );
  if (prefix.startsWith('ff')) throw flagError(name, text, 'it is a multicast network');
  if (family === 6 && prefix !== LINK_LOCAL && prefixesOverlap(prefix, parsePrefix(LINK_LOCAL))) {
    throw flagError(name, text, `it overlaps the link-local subnet ${LINK_LOCAL}`);
  }
  return prefix;
}

/** RFC 4291, section 2.5.6: every interface has it already. */
const LINK_LOCAL = 'fe80::/64';

/** At most one a family. @throws EngineError invalidArgument in Docker's words */
export function parseHostGateways(texts: readonly string[]): readonly IpAddress[] {
  const addresses = texts.filter((text) => text !== '').map((text) => parseAddressFlag('host-gateway-ip', text));
  for (const family of [4, 6] as const) {
    if (addresses.filter((address) => familyOf(address) === family).length > 1) {
      throw new EngineError('invalidArgument', `only one IPv${family} host gateway IP address can be specified`);
    }
  }
  return addresses;
}

/** `driver=option=value`, gathered by driver. @throws EngineError invalidArgument */
export function parseNetworkOptions(texts: readonly string[]): Readonly<Record<string, DriverOptions>> {
  const byDriver = new Map<string, Record<string, string>>();
  for (const text of texts) {
    const [, driver = '', option = '', value = ''] = /^([^=]+)=([^=]+)=(.*)$/s.exec(text) ?? [];
    if (driver === '') throw flagError('default-network-opt', text, 'want DRIVER=OPTION=VALUE');
    byDriver.set(driver, { ...byDriver.get(driver), [option]: value });
  }
  return Object.fromEntries(byDriver);
}

/** `MARK[/MASK]`, in the notations of C. @throws EngineError invalidArgument in dockerd's words */
export function parseFirewallMark(text: string): FirewallMark {
  const [mark = '', mask] = splitOnce(text);
  return {
    mark: parseBits(mark, `invalid firewall mark "${text}"`),
    mask: mask === undefined ? ALL_BITS : parseBits(mask, `invalid firewall mask "${text}"`),
  };
}

/** Of a packet's mark: 32 bits (struct sk_buff). */
const ALL_BITS = 0xffff_ffff;

function splitOnce(text: string): string[] {
  const slash = text.indexOf('/');
  return slash < 0 ? [text] : [text.slice(0, slash), text.slice(slash + 1)];
}

function parseBits(text: string, what: string): number {
  const octal = /^0[0-7]+$/.test(text) ? `0o${text.slice(1)}` : text;
  const bits = /^(0x[\da-f]+|0o[0-7]+|0b[01]+|\d+)$/i.test(octal) ? Number(octal) : Number.NaN;
  if (bits <= ALL_BITS) return bits;
  const why = Number.isNaN(bits) ? 'invalid syntax' : 'value out of range';
  throw new EngineError(
    'invalidArgument',
    `invalid bridge-accept-fwmark: ${what}: strconv.ParseUint: parsing "${text}": ${why}`,
  );
}

function flagError(name: string, text: string, why: string): EngineError {
  return new EngineError('invalidArgument', `invalid argument "${text}" for "--${name}" flag: ${why}`);
}

function ofFamily<T extends InterfaceAddress | Prefix>(name: string, address: T, family: AddressFamily): T {
  if (familyOf(address) === family) return address;
  throw flagError(name, address, `it is not an IPv${family} address`);
}

/** The same error, with the flag's name in front. */
function asFlag<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new EngineError('invalidArgument', `invalid argument for "--${name}" flag: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}
