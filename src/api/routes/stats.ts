import type { Exchange, Outcome } from '../exchange.ts';
import { queryFlag } from '../parse/query.ts';
import { renderStats } from '../render/stats.ts';
import type { Routes } from '../router.ts';
import { invalid } from '../status.ts';
import type { EngineSurface } from '../surface.ts';

/** `docker stats`: what a container uses. */
export function statsRoutes({ containers }: EngineSurface): Routes {
  return {
    'GET /containers/{*}/stats': (exchange) => stats(containers, exchange),
  };
}

/** A look each second; with ?stream=0 the second of two looks, or with ?one-shot=1 the first. */
async function stats(containers: EngineSurface['containers'], exchange: Exchange): Promise<Outcome> {
  const { query } = exchange;
  const stream = !query.has('stream') || queryFlag(query, 'stream');
  const oneShot = queryFlag(query, 'one-shot');
  if (stream && oneShot) throw invalid('cannot have stream=true and one-shot=true');
  const reference = exchange.parameter();
  const first = containers.stats(reference);
  if (oneShot || (!stream && first.now === undefined)) return { status: 200, body: renderStats(first) };
  const looks = containers.followStats(reference, exchange.signal);
  if (stream) return exchange.lines(renderAll());
  let seen = 0;
  for await (const look of looks) if (++seen === 2) return { status: 200, body: renderStats(look) };
  return { status: 200, body: renderStats(first) };

  async function* renderAll(): AsyncGenerator<string> {
    for await (const look of looks) yield `${JSON.stringify(renderStats(look))}\n`;
  }
}
