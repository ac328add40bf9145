import type { TestDaemon } from '../test/daemon.ts';
import { blowsAt, victimOf } from '../test/heal/blows.ts';
import { measureRepairs, outage } from '../test/heal/strike.ts';
import { median } from './measure.ts';
import { report } from './report.ts';

/** Milliseconds, of the median */
const LIMIT = 200;

/**
 * From a blow at each kind of thing until all is exactly as before; and for how long a published port does not answer after the
 * firewall was flushed. Docker is not asked: it mends none of it.
 */
export async function healing(daemon: TestDaemon, rounds: number): Promise<void> {
  const names = ['struck', 'beside'] as const;
  for (const network of names) await daemon.ok('network', 'create', network);
  for (const name of names) {
    const publish = name === 'struck' ? ['-p', '18081:80'] : [];
    await daemon.ok(
      'run',
      '-d',
      '--name',
      name,
      '--network',
      name,
      ...publish,
      'busybox',
      'httpd',
      '-f',
      '-h',
      '/var/www',
    );
  }
  const [struck, beside] = await Promise.all(names.map((name) => victimOf(daemon, name, name)));
  if (struck === undefined || beside === undefined) throw new Error('nobody to strike');
  const times = await measureRepairs(daemon.host, [struck, beside], blowsAt(struck, beside), rounds);
  const bar = { limit: LIMIT, unit: 'ms' };
  for (const [name, found] of times) report({ name: `mended: ${name}`, ours: median(found), bar });
  const outages: number[] = [];
  for (let round = 0; round < rounds; round++) outages.push(await outage(daemon.host, 18_081, 'nft flush ruleset'));
  report({ name: 'published port silent after nft flush ruleset', ours: median(outages), bar });
  await daemon.ok('rm', '-f', ...names);
  await daemon.ok('network', 'rm', ...names);
}
