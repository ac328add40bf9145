import { type Network, shortId } from '../../model/network.ts';
import type { BridgeOptions } from './options.ts';

/** Of the Linux bridge: the user's, or one made from the network's id, as in Docker. */
export function bridgeName(network: Network<BridgeOptions>): string {
  return network.options.bridge ?? `br-${shortId(network.id)}`;
}
