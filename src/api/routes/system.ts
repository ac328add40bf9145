import type { Exchange, Outcome } from '../exchange.ts';
import { eventFilter } from '../filter/events.ts';
import { parseFilters } from '../parse/filters.ts';
import { parseMoment } from '../parse/query.ts';
import { renderEvent } from '../render/event.ts';
import { renderInfo, renderVersion } from '../render/system.ts';
import type { Routes } from '../router.ts';
import { invalid } from '../status.ts';
import type { EngineSurface } from '../surface.ts';

import { diskUsage } from './disk-usage.ts';

/** Nobody may answer for the daemon, least of all a cache. */
const PING_HEADERS = {
  'Cache-Control': 'no-cache, no-store, must-revalidate',
  Pragma: 'no-cache',
  'Content-Type': 'text/plain; charset=utf-8',
  // For the CLI of 20.10 and older, whose own daemon says the same; newer ones ask for BuildKit as soon as they have buildx.
  'Builder-Version': '1',
  Swarm: 'inactive',
};

/** The daemon itself. HEAD /_ping is what the CLI asks first, to learn the API version. */
export function systemRoutes(engine: EngineSurface): Routes {
  const { system } = engine;
  return {
    'HEAD /_ping': () => ({ status: 200, headers: PING_HEADERS }),
    'GET /_ping': () => ({ status: 200, headers: PING_HEADERS, body: 'OK' }),
    'GET /version': async () => ({ status: 200, body: renderVersion(await system.version()) }),
    'GET /info': async ({ version }) => ({ status: 200, body: renderInfo(await system.info(), version, new Date()) }),
    'GET /events': (exchange) => events(engine, exchange),
    'GET /system/df': (exchange) => diskUsage(engine, exchange),
  };
}

/** One JSON value a line, until `until` or the client goes. */
function events(engine: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const asked = exchange.query.get('since') ?? '';
  // Here 0 is a moment, too: everything that is remembered.
  const since = asked === '0' ? 0n : parseMoment(asked, 'since');
  const until = parseMoment(exchange.query.get('until') ?? '', 'until');
  if (since !== undefined && until !== undefined && since > until) {
    const [from, to] = [since / 1_000_000_000n, until / 1_000_000_000n];
    throw invalid(`\`since\` time (${from}) cannot be after \`until\` time (${to})`);
  }
  const wanted = eventFilter(parseFilters(exchange.query.get('filters')));
  const stream = engine.events.subscribe({
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    signal: exchange.signal,
  });
  return exchange.lines(renderAll());

  async function* renderAll(): AsyncGenerator<string> {
    for await (const event of stream) if (wanted(event)) yield renderEvent(event);
  }
}
