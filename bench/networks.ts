import { eventually } from '../test/host.ts';
import { median, timed } from './measure.ts';
import { call, type Peer } from './peer.ts';

/** Networks on one host; Docker has 31 subnets. */
const NETWORKS = 2000;
/** How many creates at either end are compared. */
const ENDS = 50;

export interface ManyNetworks {
  /** Medians in milliseconds */
  readonly first: number;
  readonly last: number;
}

/** What the first and the last of two thousand `network create` take, over the API, with default subnets. All are removed again. */
export async function manyNetworks(peer: Peer): Promise<ManyNetworks> {
  const name = (index: number) => `many${index}`;
  const create = (index: number) => call(peer, 'POST', '/networks/create', { Name: name(index) });
  // The first few warm up.
  for (let index = 0; index < ENDS; index++) await create(index);
  const times: number[] = [];
  for (let index = ENDS; index < NETWORKS; index++) times.push(await timed(async () => void (await create(index))));
  for (let index = 0; index < NETWORKS; index++) await call(peer, 'DELETE', `/networks/${name(index)}`);
  // The kernel takes their bridges apart behind the answers: what is measured next shall not wait for that.
  await eventually('the bridges are gone', async () => !(await peer.host.shell('ip -o link')).includes(': fwtrash'));
  return { first: median(times.slice(0, ENDS)), last: median(times.slice(-ENDS)) };
}
