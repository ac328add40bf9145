import type { LayerUsage } from '../../engine/builds.ts';
import { ANONYMOUS } from '../../model/registry.ts';
import { BuildOutput, contextOf } from '../build-answer.ts';
import type { Exchange, Outcome } from '../exchange.ts';
import { asksForBuildKit, noteOnCache, parseBuild } from '../parse/build.ts';
import { parseFilters } from '../parse/filters.ts';
import { queryFlag, queryText } from '../parse/query.ts';
import { ClassicWords, classicEnd } from '../render/build.ts';
import { orNull } from '../render/list-form.ts';
import { renderProgress } from '../render/progress.ts';
import type { Routes } from '../router.ts';
import { unsupportedOption } from '../status.ts';
import type { EngineSurface } from '../surface.ts';
import { buildByKit, buildKitOf, buildKitRoutes } from './buildkit.ts';

/** `docker build` and its cache. */
export function buildRoutes(engine: EngineSurface): Routes {
  const kit = buildKitOf(engine);
  return {
    'POST /build': (exchange) =>
      asksForBuildKit(exchange.query) ? buildByKit(kit, exchange) : build(engine, exchange),
    'POST /build/prune': (exchange) => prune(engine, exchange),
    ...buildKitRoutes(kit),
  };
}

/** As long as nothing was said a failure has its status; afterwards it is the last thing said. */
async function build(engine: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const request = parseBuild(exchange.query, exchange.request.headers);
  const quiet = queryFlag(exchange.query, 'q');
  const output = new BuildOutput(exchange, quiet);
  const words = noteOnCache(exchange.query);
  let note = words === '' ? '' : `[Warning] ${words}\n`;
  try {
    const say = (text: string) => {
      output.say(note + text);
      note = '';
    };
    const context = () => contextOf(exchange);
    const id = await engine.builds.build({ context }, request, {
      signal: exchange.signal,
      begin: (plan, placeId) => {
        const classic = new ClassicWords(plan, placeId, say);
        return (event) => classic.tell(event);
      },
      during: (_, work) => work(),
      drained: () => output.drained(),
      progress: (progress) => output.tell(renderProgress(progress)),
      credentials: (registry) => request.auths.get(registryKey(registry)) ?? ANONYMOUS,
      // The classic request brings neither: a command that needs one fails.
      secret: async () => undefined,
      agent: async () => undefined,
      made: (image, names) => {
        output.send({ aux: { ID: image } });
        for (const text of classicEnd(image, names)) say(text);
      },
    });
    if (quiet) output.send({ stream: `${id}\n` });
  } catch (thrown) {
    if (!output.begun && !quiet) throw thrown;
    output.fail(thrown);
  }
  output.end();
  return 'answered';
}

/** As the CLI's configuration names registries. */
function registryKey(registry: string): string {
  return registry === 'docker.io' ? 'https://index.docker.io/v1/' : registry;
}

/** The cache is taken away whole: what depends on what is buildah's to know. */
async function prune({ builds }: EngineSurface, { query }: Exchange): Promise<Outcome> {
  for (const name of ['keep-storage', 'reserved-space', 'max-used-space', 'min-free-space']) {
    const value = queryText(query, name);
    if (value !== undefined && value !== '0') throw unsupportedOption(`--${name}`);
  }
  parseFilters(query.get('filters')).require();
  const removed = await builds.prune();
  const reclaimed = removed.reduce((sum, { size }) => sum + size, 0);
  return { status: 200, body: { CachesDeleted: orNull(removed.map(({ id }) => id)), SpaceReclaimed: reclaimed } };
}

/** One record of BuildCache in GET /system/df. */
export function renderBuildCache({ id, parent, created, size }: LayerUsage): object {
  return {
    ID: id,
    ...(parent === '' ? {} : { Parent: parent, Parents: [parent] }),
    Type: 'regular',
    Description: 'layer of a build',
    InUse: false,
    Shared: false,
    Size: size,
    CreatedAt: created,
    LastUsedAt: null,
    UsageCount: 0,
  };
}
