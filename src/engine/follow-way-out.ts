import { errorMessage } from '../model/errors.ts';
import type { Network } from '../model/network.ts';
import type { Core } from './core.ts';
import { describeHost, driverOf, enact } from './intent.ts';
import { automaticMtu, MTU_OPTION } from './mtu.ts';

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
  const { state, logger, wayOut, reconciler } = core;
  const mtu = automaticMtu(wayOut.mtu);
  const networks = followers(state.networks.values(), mtu);
  try {
    if (networks.length > 0) {
      const ids = new Set(networks.map(({ id }) => id));
      const endpoints = [...state.endpoints.values()].filter(({ network }) => ids.has(network));
      await enact(core, { put: { networks, endpoints } });
      const names = networks.map(({ name }) => name);
      logger.info('the MTU of networks follows the host’s way out', { mtu, networks: names });
    }
    await reconciler.commit(describeHost(core));
  } catch (error) {
    logger.warn('the MTU of networks could not follow the host’s way out', { mtu, error: errorMessage(error) });
  }
}
