import { once } from 'node:events';
import { expectPlatform } from '../../engine/image-platform.ts';
import { errorMessage } from '../../model/errors.ts';
import type { Image } from '../../model/image.ts';
import { parsePlatformName } from '../../model/platform.ts';
import type { Platform } from '../../model/registry.ts';
import type { Exchange, Outcome } from '../exchange.ts';
import { selectImages, withoutParents } from '../filter/images.ts';
import { type Filters, parseFilters } from '../parse/filters.ts';
import { queryPlatform } from '../parse/platform.ts';
import { queryFlag, queryText } from '../parse/query.ts';
import { renderHistory, renderImage, renderImageSummary } from '../render/image.ts';
import { orNull } from '../render/list-form.ts';
import type { Routes } from '../router.ts';
import { invalid, unsupported } from '../status.ts';
import { writeAll } from '../stream.ts';
import type { EngineSurface } from '../surface.ts';
import { atLeast } from '../version.ts';
import { pull } from './registry.ts';

/** Names may hold slashes: "GET /images/registry.example/team/web:1/json". */
export function imageRoutes(engine: EngineSurface): Routes {
  const { images } = engine;
  return {
    'GET /images/json': (exchange) => list(engine, exchange),
    'POST /images/create': (exchange) => create(engine, exchange),
    'POST /images/load': (exchange) => load(engine, exchange),
    'GET /images/get': (exchange) => save(engine, exchange, exchange.query.getAll('names')),
    'POST /images/prune': (exchange) => prune(engine, exchange),
    'GET /images/{*}/get': (exchange) => save(engine, exchange, [exchange.parameter()]),
    'GET /images/{*}/json': async (exchange) => {
      const image = await images.find(exchange.parameter());
      expectPlatform(image, platformOf(exchange, '1.49'), exchange.parameter());
      return { status: 200, body: renderImage(image, exchange.version) };
    },
    'GET /images/{*}/history': async (exchange) => {
      const name = exchange.parameter();
      const platform = platformOf(exchange, '1.48');
      if (platform !== undefined) expectPlatform(await images.find(name), platform, name);
      return { status: 200, body: renderHistory(await images.history(name)) };
    },
    'POST /images/{*}/tag': (exchange) => tag(engine, exchange),
    'DELETE /images/{*}': async (exchange) => {
      const { query } = exchange;
      const options = { force: queryFlag(query, 'force'), prune: !queryFlag(query, 'noprune') };
      return { status: 200, body: await images.remove(exchange.parameter(), options) };
    },
  };
}

/** `before` and `since` name images, so those are looked up first. */
async function list(engine: EngineSurface, { query, version }: Exchange): Promise<Outcome> {
  const filters = parseFilters(query.get('filters'));
  const created = async (name: string) =>
    Promise.all(filters.get(name).map(async (reference) => Date.parse((await engine.images.find(reference)).created)));
  const moments = { before: await created('before'), since: await created('since') };
  const stored = await engine.images.list();
  const seen = queryFlag(query, 'all') ? stored : withoutParents(stored);
  const images = selectImages(seen, filters, moments, Date.now());
  // Older clients are told that nobody has counted.
  const containers = ({ id }: Image) => (atLeast(version, '1.51') ? engine.images.containersOf(id) : -1);
  return { status: 200, body: images.map((image) => renderImageSummary(image, version, containers(image))) };
}

/** `docker pull` and `docker import` share a path. */
async function create(engine: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const { query } = exchange;
  const image = queryText(query, 'fromImage');
  if (image !== undefined) return pull(engine, exchange, image);
  const source = queryText(query, 'fromSrc');
  if (source === undefined) throw invalid('fromImage or fromSrc is needed');
  if (source !== '-') throw unsupported(`importing from the address ${source}`);
  const platform = queryText(query, 'platform');
  const target = splitName(query.get('repo') ?? '', query.get('tag') ?? '');
  const id = await engine.images.import(exchange.body, {
    ...target,
    changes: query.getAll('changes'),
    message: query.get('message') ?? '',
    ...(platform === undefined ? {} : { platform: importPlatform(platform) }),
  });
  return { status: 200, body: `${JSON.stringify({ status: id })}\r\n` };
}

/** "repo:tag" may come in one parameter or in two. */
function splitName(repository: string, tag: string): { repository?: string; tag?: string } {
  if (repository === '') return {};
  if (repository.includes('@')) throw invalid('cannot import digest reference');
  const [, name = repository, own] = /^(.*?)(?::([^/:]*))?$/.exec(repository) ?? [];
  const chosen = tag === '' ? own : tag;
  return { repository: name, ...(chosen === undefined || chosen === '' ? {} : { tag: chosen }) };
}

/** The archive streams through; the lines are few and come together at the end. */
async function load(engine: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const platform = platformOf(exchange, '1.48');
  const lines: string[] = [];
  const note = (line: string) => lines.push(`${JSON.stringify({ stream: line })}\r\n`);
  try {
    await engine.images.load(exchange.body, note, platform);
  } catch (thrown) {
    // Docker has begun its answer by then. Some images of the archive may be there already: they are told before what failed.
    const message = errorMessage(thrown);
    lines.push(`${JSON.stringify({ errorDetail: { message }, error: message })}\r\n`);
  }
  return { status: 200, body: lines.join('') };
}

/** Whether the names exist is known before the first byte leaves. */
async function save(engine: EngineSurface, exchange: Exchange, names: readonly string[]): Promise<Outcome> {
  const platform = platformOf(exchange, '1.48');
  const references = names.flatMap((name) => name.split(',')).filter((name) => name !== '');
  if (references.length === 0) throw invalid('no images to save');
  for (const name of platform === undefined ? [] : references) {
    expectPlatform(await engine.images.find(name), platform, name);
  }
  const archive = engine.images.save(references);
  // Or it fails, while there is still HTTP to say so.
  await once(archive, 'readable');
  const response = exchange.open('application/x-tar');
  for await (const chunk of archive) {
    if (exchange.signal.aborted) break;
    await writeAll(response, chunk as Buffer);
  }
  response.end();
  return 'answered';
}

/** Answers 201 without a body, as Docker does; without a tag "latest" is meant. */
async function tag(engine: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const { query } = exchange;
  const target = splitName(query.get('repo') ?? '', query.get('tag') ?? '');
  if (target.repository === undefined) throw invalid('repository name must have at least one component');
  await engine.images.tag(exchange.parameter(), target.repository, target.tag ?? 'latest');
  return { status: 201 };
}

/** Without a filter only images without a name go, which is what the CLI relies on. */
async function prune(engine: EngineSurface, { query }: Exchange): Promise<Outcome> {
  const filters: Filters = parseFilters(query.get('filters')).require('dangling', 'label', 'label!', 'until');
  const { deleted, reclaimed } = await engine.images.prune({
    danglingOnly: filters.boolean('dangling') ?? true,
    filters: filters.prune(Date.now()),
  });
  return { status: 200, body: { ImagesDeleted: orNull(deleted), SpaceReclaimed: reclaimed } };
}

/** Older clients may have said something else by that name. @param since the version that brought it */
function platformOf(exchange: Exchange, since: string): Platform | undefined {
  return exchange.since(since) ? queryPlatform(exchange.query) : undefined;
}

/** @throws EngineError invalidArgument in Docker's words */
function importPlatform(name: string): Platform {
  const platform = parsePlatformName(name);
  if (platform.os !== 'linux') throw invalid('operating system is not supported');
  return platform;
}
