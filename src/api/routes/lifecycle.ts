import type { StopRequest } from '../../engine/requests.ts';
import { parseDetachKeys } from '../detach.ts';
import type { Exchange, Outcome } from '../exchange.ts';
import { queryInteger, queryText, terminalSize } from '../parse/query.ts';
import { parseUpdate } from '../parse/update.ts';
import { orNull } from '../render/list-form.ts';
import type { Routes } from '../router.ts';
import { invalid, unsupportedOption } from '../status.ts';
import type { EngineSurface } from '../surface.ts';

/** A client that still sends a configuration with start sends more than this. */
const LARGEST_EMPTY_BODY = 7;

/** Everything that makes a container live and die. */
export function lifecycleRoutes({ containers }: EngineSurface): Routes {
  const done = async (work: Promise<void>): Promise<Outcome> => {
    await work;
    return { status: 204 };
  };
  return {
    'POST /containers/{*}/start': (exchange) => {
      refuseStartOptions(exchange);
      return done(containers.start(exchange.parameter()));
    },
    'POST /containers/{*}/stop': (exchange) => done(containers.stop(exchange.parameter(), stopRequest(exchange))),
    'POST /containers/{*}/restart': (exchange) => done(containers.restart(exchange.parameter(), stopRequest(exchange))),
    'POST /containers/{*}/kill': (exchange) =>
      done(containers.kill(exchange.parameter(), exchange.query.get('signal') ?? '')),
    'POST /containers/{*}/pause': (exchange) => done(containers.pause(exchange.parameter())),
    'POST /containers/{*}/unpause': (exchange) => done(containers.unpause(exchange.parameter())),
    'POST /containers/{*}/rename': (exchange) =>
      done(containers.rename(exchange.parameter(), exchange.query.get('name') ?? '')),
    'POST /containers/{*}/resize': async (exchange) => {
      await containers.resize(exchange.parameter(), terminalSize(exchange.query));
      return { status: 200 };
    },
    'POST /containers/{*}/update': async (exchange) => {
      const warnings = await containers.update(
        exchange.parameter(),
        parseUpdate(await exchange.json(), exchange.version),
      );
      return { status: 200, body: { Warnings: orNull(warnings) } };
    },
    'POST /containers/{*}/wait': (exchange) => wait(containers, exchange),
  };
}

/** @throws EngineError invalidArgument for what start took before API 1.24 */
function refuseStartOptions({ query, request }: Exchange): void {
  if (query.has('checkpoint')) throw unsupportedOption('--checkpoint');
  parseDetachKeys(query.get('detachKeys') ?? '');
  if (Number(request.headers['content-length'] ?? 0) > LARGEST_EMPTY_BODY) {
    throw invalid('starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24');
  }
}

/** ?t= in seconds, ?signal= since API 1.42; what is not given is the container's own. */
function stopRequest({ query }: Exchange): StopRequest {
  const timeout = queryInteger(query, 't');
  const signal = queryText(query, 'signal');
  return { ...(timeout === undefined ? {} : { timeout }), ...(signal === undefined ? {} : { signal }) };
}

/** The CLI sends `start` only after these headers, so they leave at once; the body follows when the container ends. */
async function wait(containers: EngineSurface['containers'], exchange: Exchange): Promise<Outcome> {
  const condition = queryText(exchange.query, 'condition') ?? 'not-running';
  if (condition !== 'not-running' && condition !== 'next-exit' && condition !== 'removed') {
    throw invalid(`invalid condition: "${condition}"`);
  }
  const result = containers.wait(exchange.parameter(), condition, exchange.signal);
  const response = exchange.open('application/json');
  const { code } = await result;
  // Older clients look for the key, newer ones for its absence.
  const legacy = exchange.since('1.42') ? {} : { Error: null };
  response.end(`${JSON.stringify({ ...legacy, StatusCode: code })}\n`);
  return 'answered';
}
