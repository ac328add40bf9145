import { type AddressFamily, FAMILIES } from '../model/address.ts';
import { EngineError } from '../model/errors.ts';
import { type DriverOptions, optionFlag } from '../model/network.ts';
import type { NetworkRequest } from './requests.ts';

/** One in which nothing is left to the daemon. */
export interface CompleteRequest extends NetworkRequest {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/**
 * With the daemon's default options, which are shown as if they were asked for, and with the families: `--ipv4`, `--ipv6`; else the
 * option that says the same; else IPv4 alone. Where the flag has decided, the option is left out (moby: daemon/network.go,
 * createNetwork).
 * @throws EngineError invalidArgument in Docker's words
 */
export function withDefaults(request: NetworkRequest, defaults: DriverOptions = {}): CompleteRequest {
  const options = { ...defaults, ...request.driverOptions };
  const asked = { 4: request.ipv4, 6: request.ipv6 } as const;
  for (const family of FAMILIES) if (asked[family] !== undefined) delete options[labelOf(family)];
  const [ipv4, ipv6] = [asked[4] ?? optionOf(options, 4) ?? true, asked[6] ?? optionOf(options, 6) ?? false];
  return { ...request, driverOptions: options, ipv4, ipv6 };
}

function optionOf(options: DriverOptions, family: AddressFamily): boolean | undefined {
  const label = labelOf(family);
  const option = options[label];
  if (option === undefined) return undefined;
  const value = optionFlag(option);
  if (value === undefined) throw new EngineError('invalidArgument', `driver-opt "${label}" is not a valid bool`);
  return value;
}

function labelOf(family: AddressFamily): string {
  return `com.docker.network.enable_ipv${family}`;
}
