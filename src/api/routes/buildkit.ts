import type { BuildKit } from '../../buildkit/buildkit.ts';
import { sessionHeaders } from '../../buildkit/session-headers.ts';
import { hostPlatform, platformName } from '../../model/platform.ts';
import { BuildOutput, contextOf } from '../build-answer.ts';
import type { Exchange, Outcome } from '../exchange.ts';
import { noteOnCache, parseSessionBuild, uploadFor } from '../parse/build.ts';
import { queryFlag } from '../parse/query.ts';
import type { Routes } from '../router.ts';
import type { EngineSurface } from '../surface.ts';

/** Gives BuildKit's protocol; whoever never builds by it does not load it. */
export type LoadBuildKit = () => Promise<BuildKit>;

export function buildKitOf(engine: EngineSurface): LoadBuildKit {
  let loaded: Promise<BuildKit> | undefined;
  return () => {
    loaded ??= load(engine);
    return loaded;
  };
}

async function load({ builds, system }: EngineSurface): Promise<BuildKit> {
  const { BuildKit } = await import('../../buildkit/buildkit.ts');
  const { version } = await system.version();
  return new BuildKit({ builds, version, platform: platformName(hostPlatform()) });
}

/** The doors that BuildKit's clients come by. */
export function buildKitRoutes(kit: LoadBuildKit): Routes {
  return {
    'POST /session': async (exchange): Promise<Outcome> => {
      exchange.expectUpgrade('h2c');
      const buildKit = await kit();
      const session = sessionHeaders((name) => String(exchange.request.headers[name] ?? ''));
      buildKit.checkSession(session);
      await buildKit.serveSession(session, await exchange.switchTo('h2c'));
      return 'answered';
    },
    'POST /grpc': async (exchange): Promise<Outcome> => {
      const buildKit = await kit();
      await buildKit.serveControl(await exchange.switchTo('h2c'));
      return 'answered';
    },
    'POST /build/cancel': async ({ query }): Promise<Outcome> => {
      (await kit()).cancel(query.get('id') ?? '');
      return { status: 200 };
    },
  };
}

/** POST /build of the CLI that Docker 20.10 and 19.03 came with: files by the session, progress in the answer. */
export async function buildByKit(kit: LoadBuildKit, exchange: Exchange): Promise<Outcome> {
  const { query, request } = exchange;
  const buildKit = await kit();
  const upload = uploadFor(query);
  if (upload !== undefined) {
    await buildKit.upload(upload, contextOf(exchange), exchange.signal);
    return { status: 200 };
  }
  const wish = parseSessionBuild(query, request.headers);
  const quiet = queryFlag(query, 'q');
  const output = new BuildOutput(exchange, quiet);
  const whole = { ...wish, body: () => contextOf(exchange), warning: noteOnCache(query) };
  try {
    const id = await buildKit.build(whole, exchange.signal, async (trace) => {
      output.send({ id: 'moby.buildkit.trace', aux: trace.toString('base64') });
      await output.drained();
    });
    output.send({ id: 'moby.image.id', aux: { ID: id } });
    if (quiet) output.send({ stream: `${id}\n` });
  } catch (thrown) {
    if (!output.begun) throw thrown;
    output.fail(thrown);
  }
  output.end();
  return 'answered';
}
