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

/** How large the packets are that containers send by way of the host, in bytes; undefined: by another way. */
export function packetSize({ driver, mtu, driverOptions }: Network): number | undefined {
  return driver === 'bridge' ? (mtu ?? (Number(driverOptions[MTU_OPTION] ?? '0') || LARGEST)) : undefined;
}

/** Whether packets of a network can be too large for another, or for a way of the host. @param narrowest of those, in bytes */
export function isTooNarrow(packetSizes: Iterable<number>, narrowest: number): boolean {
  const sizes = [...packetSizes];
  return Math.min(narrowest, ...sizes) < Math.max(...sizes);
}
