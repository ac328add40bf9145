import type { DriverOptions, Network } from '../model/network.ts';

export const MTU_OPTION = 'com.docker.network.driver.mtu';

/** Ethernet's, and Docker's: nobody who says nothing wants more. */
const LARGEST = 1500;
/** RFC 8200, section 5: below, there is no IPv6. */
const SMALLEST = 1280;

/** What networks have whose options say nothing. @param wayOut bytes; undefined: nothing leads out */
export function automaticMtu(wayOut: number | undefined): number {
  return Math.min(LARGEST, Math.max(SMALLEST, wayOut ?? LARGEST));
}

/** Whether a network of this driver and these options goes by the host. 0 asks for the default, as in Docker. */
export function followsHost(driver: string, options: DriverOptions): boolean {
  return driver === 'bridge' && Number(options[MTU_OPTION] ?? '0') === 0;
}

/** Whether packets of a bridge network can be too large for another, or for a way of the host. @param narrowest of those, in bytes */
export function isTooNarrow(networks: Iterable<Network>, narrowest: number): boolean {
  let least = narrowest;
  let most = 0;
  for (const { driver, mtu, driverOptions } of networks) {
    if (driver !== 'bridge') continue;
    const size = mtu ?? (Number(driverOptions[MTU_OPTION] ?? '0') || LARGEST);
    least = Math.min(least, size);
    most = Math.max(most, size);
  }
  return least < most;
}
