import { errorMessage } from '../model/errors.ts';
import type { DriverOptions, Network } from '../model/network.ts';
import type { Core } from './core.ts';
import { driverOf, enact } from './intent.ts';

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

/**
 * The networks that go by the host and are not as it is now, as they should be. The default network shows its MTU among its
 * options, as Docker's does.
 */
export function followers(networks: Iterable<Network>, mtu: number): Network[] {
  const behind = [...networks].filter((network) => network.mtu !== undefined && network.mtu !== mtu);
  return behind.map((network) => {
    if (network.driverOptions[MTU_OPTION] !== String(network.mtu)) return { ...network, mtu };
    const driverOptions = { ...network.driverOptions, [MTU_OPTION]: String(mtu) };
    return { ...network, mtu, driverOptions, options: driverOf(network.driver).parse(driverOptions) };
  });
}

/** Live: bridges and both ends of their veths; connections go on. Never rejects. */
export async function followWayOut(core: Core): Promise<void> {
  const { state, logger, wayOut } = core;
  const mtu = automaticMtu(wayOut.mtu);
  const networks = followers(state.networks.values(), mtu);
  if (networks.length === 0) return;
  const ids = new Set(networks.map(({ id }) => id));
  const endpoints = [...state.endpoints.values()].filter(({ network }) => ids.has(network));
  const names = networks.map(({ name }) => name);
  try {
    await enact(core, { put: { networks, endpoints } });
    logger.info('the MTU of networks follows the host’s way out', { mtu, networks: names });
  } catch (error) {
    logger.warn('the MTU of networks could not follow the host’s way out', { mtu, error: errorMessage(error) });
  }
}
