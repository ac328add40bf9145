import { errorMessage } from '../../model/errors.ts';
import type { ProgressListener } from '../../model/registry.ts';
import type { Exchange, Outcome } from '../exchange.ts';
import { queryText } from '../parse/query.ts';
import { parseAuthConfig, parseRegistryAuth } from '../parse/registry-auth.ts';
import { renderProgress, renderStreamError } from '../render/progress.ts';
import type { Routes } from '../router.ts';
import { invalid, unsupported } from '../status.ts';
import type { EngineSurface } from '../surface.ts';

/** Whatever is done with registries: pull (POST /images/create leads here, too), push, login. */
export function registryRoutes(engine: EngineSurface): Routes {
  return {
    'GET /images/search': () => {
      throw unsupported('searching registries');
    },
    'POST /images/{*}/push': (exchange) => push(engine, exchange),
    'POST /auth': (exchange) => logIn(engine, exchange),
    'GET /distribution/{*}/json': (exchange) => inspect(engine, exchange),
  };
}

/** The pull goes on only while the client listens, or another one wants the same. */
export function pull(engine: EngineSurface, exchange: Exchange, image: string): Promise<Outcome> {
  const { query, request, signal } = exchange;
  const tag = queryText(query, 'tag');
  const platform = queryText(query, 'platform');
  const auth = parseRegistryAuth(request.headers);
  return progressStream(exchange, (progress) =>
    engine.registries.pull({
      image,
      auth,
      signal,
      progress,
      ...(tag === undefined ? {} : { tag }),
      ...(platform === undefined ? {} : { platform }),
    }),
  );
}

function push(engine: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const { query, request, signal } = exchange;
  const platform = queryText(query, 'platform');
  if (platform !== undefined) throw unsupported('pushing one platform of an image (--platform)');
  const tag = queryText(query, 'tag');
  const auth = parseRegistryAuth(request.headers);
  const image = exchange.parameter();
  return progressStream(exchange, (progress) =>
    engine.registries.push({ image, auth, signal, progress, ...(tag === undefined ? {} : { tag }) }),
  );
}

/** For `docker login`. A token in the answer is stored by the client in place of the password. */
async function logIn(engine: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const body = await exchange.json();
  const auth = parseAuthConfig(body ?? null);
  const server = (body as { readonly serveraddress?: unknown } | undefined)?.serveraddress ?? '';
  if (typeof server !== 'string' || /[\s@?#]/.test(server)) throw invalid('invalid serveraddress');
  const IdentityToken = await engine.registries.logIn(server, { auth, signal: exchange.signal });
  return { status: 200, body: { IdentityToken, Status: 'Login Succeeded' } };
}

async function inspect(engine: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const auth = parseRegistryAuth(exchange.request.headers);
  const image = await engine.registries.inspect(exchange.parameter(), { auth, signal: exchange.signal });
  const { mediaType, digest, size } = image;
  return {
    status: 200,
    body: {
      Descriptor: { mediaType, digest, size },
      Platforms: image.platforms.map(({ os, architecture, variant }) => ({
        architecture,
        os,
        ...(variant === '' ? {} : { variant }),
      })),
    },
  };
}

/**
 * Lines as they come. What fails before the first of them is an ordinary error with its status; afterwards it is the last
 * line. A client that lags holds nothing up: lines are small, and a bar is told ten times a second.
 */
async function progressStream(
  exchange: Exchange,
  work: (progress: ProgressListener) => Promise<void>,
): Promise<Outcome> {
  let response: ReturnType<Exchange['open']> | undefined;
  const write = (text: string) => {
    response ??= exchange.open('application/json');
    if (!response.destroyed) response.write(text);
  };
  try {
    await work((progress) => write(renderProgress(progress)));
  } catch (error) {
    if (response === undefined || exchange.signal.aborted) throw error;
    write(renderStreamError(errorMessage(error)));
  }
  response?.end();
  return response === undefined ? { status: 200, body: '' } : 'answered';
}
