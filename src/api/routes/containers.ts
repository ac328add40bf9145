import type { ContainerView } from '../../engine/views.ts';
import { EngineError } from '../../model/errors.ts';
import type { Image } from '../../model/image.ts';
import { parsePlatformName } from '../../model/platform.ts';
import type { Exchange, Outcome } from '../exchange.ts';
import { selectContainers } from '../filter/containers.ts';
import { parseCommit } from '../parse/commit.ts';
import { parseContainerSpec, warnOfMoved } from '../parse/container.ts';
import { parseFilters } from '../parse/filters.ts';
import { moveLinkSysctls } from '../parse/link-sysctls.ts';
import { queryFlag, queryInteger, queryText } from '../parse/query.ts';
import { renderContainer } from '../render/container.ts';
import { type ContainerSizes, renderSummary } from '../render/list.ts';
import { orNull } from '../render/list-form.ts';
import type { Routes } from '../router.ts';
import { invalid } from '../status.ts';
import type { EngineSurface } from '../surface.ts';

/** Containers as records: made, listed, shown, removed. Everything that needs them to run is in lifecycle.ts. */
export function containerRoutes(engine: EngineSurface): Routes {
  const { containers } = engine;
  return {
    'GET /containers/json': (exchange) => list(engine, exchange),
    'GET /containers/ps': (exchange) => list(engine, exchange),
    'POST /containers/create': (exchange) => create(engine, exchange),
    'POST /containers/prune': async ({ query }) => {
      const filters = parseFilters(query.get('filters')).require('label', 'label!', 'until');
      const { deleted, reclaimed } = await containers.prune(filters.prune(Date.now()));
      return { status: 200, body: { ContainersDeleted: orNull(deleted), SpaceReclaimed: reclaimed } };
    },
    'POST /commit': async (exchange) => {
      const request = parseCommit(exchange.query, await exchange.json());
      const { id } = containers.find(exchange.query.get('container') ?? '').container;
      return { status: 201, body: { Id: await containers.commit(id, request) } };
    },
    'GET /containers/{*}/json': (exchange) => inspect(engine, exchange),
    'GET /containers/{*}/top': async (exchange) => {
      const psArgs = exchange.query.get('ps_args') ?? '';
      const { titles, processes } = await containers.top(exchange.parameter(), psArgs);
      return { status: 200, body: { Processes: processes, Titles: titles } };
    },
    'DELETE /containers/{*}': async (exchange) => {
      const { query } = exchange;
      await containers.remove(exchange.parameter(), {
        force: queryFlag(query, 'force'),
        volumes: queryFlag(query, 'v'),
        link: queryFlag(query, 'link'),
      });
      return { status: 204 };
    },
  };
}

/** Images are asked for only where a filter or a size needs them: `docker ps` costs no look at containerd. */
async function list(engine: EngineSurface, { query, version }: Exchange): Promise<Outcome> {
  const filters = parseFilters(query.get('filters'));
  const images = filters.has('ancestor') || queryFlag(query, 'size') ? await engine.images.list() : [];
  const views = selectContainers(
    engine.containers.list(),
    { all: queryFlag(query, 'all'), limit: queryInteger(query, 'limit') ?? 0, filters },
    {
      created: (reference) => engine.containers.find(reference).container.created,
      ancestors: new Set(
        filters.get('ancestor').flatMap((ancestor) => withDescendants(images, named(images, ancestor))),
      ),
    },
  );
  const sizes = queryFlag(query, 'size') ? await containerSizes(engine, views, images) : undefined;
  const now = Date.now();
  const body = views.map((view) => renderSummary(view, version, now, sizes?.get(view.container.id)));
  return { status: 200, body };
}

/** By the containers' ids. An image that was forced away leaves its containers without one. */
export async function containerSizes(
  { archives }: EngineSurface,
  views: readonly ContainerView[],
  images: readonly Image[],
): Promise<ReadonlyMap<string, ContainerSizes>> {
  const imageSizes = new Map(images.map((image) => [image.id, image.size]));
  const written = await archives.sizes(views.map(({ container }) => container.id));
  return new Map(
    views.map(({ container: { id, imageId } }) => {
      const own = written.get(id) ?? 0;
      return [id, { written: own, root: own + (imageSizes.get(imageId) ?? 0) }];
    }),
  );
}

/** Ids of the images a user means by a name without tag, a name with tag, an id or the beginning of one. */
function named(images: readonly Image[], reference: string): string[] {
  const id = reference.replace(/^sha256:/, '');
  return images
    .filter(
      (image) => image.tags.includes(reference) || image.tags.includes(`${reference}:latest`) || isIdOf(image, id),
    )
    .map((image) => image.id);
}

/** With what was made from them, and from that. */
function withDescendants(images: readonly Image[], ids: readonly string[]): string[] {
  const children = images.flatMap(({ id, parent }) => (parent !== undefined && ids.includes(parent) ? [id] : []));
  return children.length === 0 ? [...ids] : [...ids, ...withDescendants(images, children)];
}

/** Four digits at least: fewer are a name. */
function isIdOf(image: Image, id: string): boolean {
  return /^[0-9a-f]{4,64}$/.test(id) && image.id.startsWith(`sha256:${id}`);
}

/** Everything is parsed before the engine hears of it: bad input leaves no trace. */
async function create(engine: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const name = queryText(exchange.query, 'name');
  // Docker before 1.41 did not know it.
  const asked = exchange.since('1.41') ? queryText(exchange.query, 'platform') : undefined;
  const platform = asked === undefined ? {} : { platform: parsePlatformName(asked) };
  const body = await exchange.json();
  const { spec, warnings } = moveLinkSysctls(parseContainerSpec(body, exchange.version), exchange.version);
  const client = { knowsCgroupNamespaces: exchange.since('1.41'), ...platform };
  const created = await engine.containers.create(name, spec, client).catch(refuseOtherMissing);
  return { status: 201, body: { Id: created.id, Warnings: [...warnOfMoved(body), ...warnings, ...created.warnings] } };
}

/** To clients 404 means that the image is missing, or is for another platform, and they go and pull it: whatever else is missing is a bad parameter. */
function refuseOtherMissing(thrown: unknown): never {
  if (!(thrown instanceof EngineError) || thrown.kind !== 'notFound') throw thrown;
  throw /^No such image|^image with reference .* does not match the specified platform/i.test(thrown.message)
    ? thrown
    : invalid(thrown.message);
}

/** Sizes are counted only for who asks with ?size=1. Here Docker tells of 0, too. */
async function inspect(engine: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const view = engine.containers.find(exchange.parameter());
  const body = renderContainer(view, exchange.version);
  if (!queryFlag(exchange.query, 'size')) return { status: 200, body };
  const sizes = (await containerSizes(engine, [view], await engine.images.list())).get(view.container.id);
  return { status: 200, body: { ...body, SizeRw: sizes?.written ?? 0, SizeRootFs: sizes?.root ?? 0 } };
}
