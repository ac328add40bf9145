import type { ServerResponse } from 'node:http';
import { machine } from 'node:os';
import { Readable } from 'node:stream';
import type { BuildKit } from '../../buildkit/buildkit.ts';
import { sessionHeaders } from '../../buildkit/session-headers.ts';
import type { LayerUsage } from '../../engine/builds.ts';
import { errorMessage } from '../../model/errors.ts';
import { ANONYMOUS } from '../../model/registry.ts';
import type { Exchange, Outcome } from '../exchange.ts';
import { noteOnCache, parseBuild } from '../parse/build.ts';
import { parseFilters } from '../parse/filters.ts';
import { queryFlag, queryText } from '../parse/query.ts';
import { ClassicWords, classicEnd } from '../render/build.ts';
import { orNull } from '../render/list-form.ts';
import { renderProgress } from '../render/progress.ts';
import type { Routes } from '../router.ts';
import { unsupported, unsupportedOption } from '../status.ts';
import { drained } from '../stream.ts';
import type { EngineSurface } from '../surface.ts';

/** What a quiet build has said is kept for the case that it fails, in characters: the end of it. */
const LONGEST_MEMORY = 1 << 20;

/** `docker build` and its cache. */
export function buildRoutes(engine: EngineSurface): Routes {
  return {
    'POST /build': (exchange) => build(engine, exchange),
    'POST /build/prune': (exchange) => prune(engine, exchange),
    'POST /build/cancel': () => {
      throw unsupported('cancelling a build by its id');
    },
    ...buildKitRoutes(engine),
  };
}

/** BuildKit's protocol; whoever never builds by it does not load it. */
function buildKitRoutes(engine: EngineSurface): Routes {
  let loaded: Promise<BuildKit> | undefined;
  const open = () => {
    loaded ??= loadBuildKit(engine);
    return loaded;
  };
  return {
    'POST /session': async (exchange): Promise<Outcome> => {
      const buildKit = await open();
      const session = sessionHeaders((name) => String(exchange.request.headers[name] ?? ''));
      buildKit.checkSession(session);
      await buildKit.serveSession(session, await exchange.switchTo('h2c'));
      return 'answered';
    },
    'POST /grpc': async (exchange): Promise<Outcome> => {
      const buildKit = await open();
      await buildKit.serveControl(await exchange.switchTo('h2c'));
      return 'answered';
    },
  };
}

async function loadBuildKit({ builds, system }: EngineSurface): Promise<BuildKit> {
  const { BuildKit } = await import('../../buildkit/buildkit.ts');
  const { version } = await system.version();
  return new BuildKit({ builds, version, platform: platform() });
}

/** As long as nothing was said a failure has its status; afterwards it is the last thing said. */
async function build(engine: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const request = parseBuild(exchange.query, exchange.request.headers, platform());
  const quiet = queryFlag(exchange.query, 'q');
  const output = new BuildOutput(exchange, quiet);
  let note = noteOnCache(exchange.query);
  try {
    const say = (text: string) => {
      output.say(note + text);
      note = '';
    };
    const context = () => contextOf(exchange);
    const id = await engine.builds.build({ context }, request, {
      signal: exchange.signal,
      begin: (plan, placeId) => {
        const words = new ClassicWords(plan, placeId, say);
        return (event) => words.tell(event);
      },
      during: (_, work) => work(),
      drained: () => output.drained(),
      progress: (progress) => output.tell(renderProgress(progress)),
      credentials: (registry) => request.auths.get(registryKey(registry)) ?? ANONYMOUS,
      // The classic request brings none: a command that needs one fails.
      secret: async () => undefined,
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

/** The body, to be read or left: what nobody reads must not keep the client from hearing the answer. */
function contextOf({ request }: Exchange): Readable {
  const context = Readable.from(request.iterator({ destroyOnReturn: false }), { objectMode: false });
  return context.once('close', () => request.resume());
}

/** The stream of an answer: one JSON value a line, ended as Docker ends them. */
class BuildOutput {
  readonly #exchange: Exchange;
  readonly #quiet: boolean;
  #response: ServerResponse | undefined;
  #kept = '';

  constructor(exchange: Exchange, quiet: boolean) {
    this.#exchange = exchange;
    this.#quiet = quiet;
  }

  get begun(): boolean {
    return this.#response !== undefined || this.#kept !== '';
  }

  say(text: string): void {
    if (this.#quiet) this.#kept = (this.#kept + text).slice(-LONGEST_MEMORY);
    else this.send({ stream: text });
  }

  send(value: object): void {
    this.#write(`${JSON.stringify(value)}\r\n`);
  }

  /** One line of a pull. */
  tell(line: string): void {
    if (!this.#quiet) this.#write(line);
  }

  #write(line: string): void {
    this.#response ??= this.#exchange.open('application/json');
    if (!this.#response.destroyed) this.#response.write(line);
  }

  /** Fulfilled when the client takes more, or is gone. */
  async drained(): Promise<void> {
    if (this.#response !== undefined) await drained(this.#response);
  }

  fail(thrown: unknown): void {
    if (this.#kept !== '') this.send({ stream: this.#kept });
    const message = errorMessage(thrown);
    const code = thrown instanceof Error && 'code' in thrown && Number.isInteger(thrown.code) ? Number(thrown.code) : 0;
    this.send({ errorDetail: { ...(code === 0 ? {} : { code }), message }, error: message });
  }

  end(): void {
    this.#response?.end();
  }
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

function platform(): string {
  const names: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64' };
  return `linux/${names[machine()] ?? machine()}`;
}
