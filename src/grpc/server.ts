import http2 from 'node:http2';
import type { Duplex } from 'node:stream';
import { drained } from '../model/drained.ts';
import { errorMessage } from '../model/errors.ts';
import { encodeMessage, GrpcError, statusCode } from './error.ts';
import { Deframer, frame } from './framing.ts';
import type { AnyMethod, Part, ServiceTable } from './service.ts';

/** Bytes, as gRPC's own libraries take them */
const LARGEST_REQUEST = 4 << 20;
/** At once, on one connection */
const MAX_CALLS = 100;
/** Characters of an error: a client reads headers of some kB only */
const LONGEST_MESSAGE = 4096;

/** One call, as who answers it sees it. */
export interface Answering {
  /** Aborted when the client has given the call up, or is gone */
  readonly signal: AbortSignal;
  readonly metadata: http2.IncomingHttpHeaders;
}

type RequestOf<M extends AnyMethod> = ReturnType<M['decodeRequest']>;
type ResponseOf<M extends AnyMethod> = Parameters<M['encodeResponse']>[0];
type Unary<M extends AnyMethod> = (request: RequestOf<M>, call: Answering) => ResponseOf<M> | Promise<ResponseOf<M>>;
type Streaming<M extends AnyMethod> = (request: RequestOf<M>, call: Answering) => AsyncIterable<ResponseOf<M>>;
type Talking<M extends AnyMethod> = (
  requests: AsyncGenerator<RequestOf<M>>,
  call: Answering,
) => AsyncIterable<ResponseOf<M>>;

/** What answers a service's methods. What they throw is the call's status; what is no GrpcError is UNKNOWN, as in Go. */
export type Answers<T extends ServiceTable> = {
  readonly [K in keyof Part<T, 'unary'>]: Part<T, 'unary'>[K] extends AnyMethod ? Unary<Part<T, 'unary'>[K]> : never;
} & {
  readonly [K in keyof Part<T, 'streams'>]: Part<T, 'streams'>[K] extends AnyMethod
    ? Streaming<Part<T, 'streams'>[K]>
    : never;
} & {
  readonly [K in keyof Part<T, 'duplex'>]: Part<T, 'duplex'>[K] extends AnyMethod
    ? Talking<Part<T, 'duplex'>[K]>
    : never;
};

type Answer = (requests: AsyncGenerator<Buffer>, call: Answering) => AsyncIterable<readonly Uint8Array[]>;

/** Methods by their path: "/package.Service/Method" */
export type Served = ReadonlyMap<string, Answer>;

/** A status that says more than a code and a text. */
interface DetailedError extends Error {
  /** google.rpc.Status, encoded: the trailer grpc-status-details-bin */
  readonly statusDetails: Buffer;
}

/** What answers a method, whatever that takes and gives. */
type AnyAnswer = (request: unknown, call: Answering) => unknown;

/** Puts a service and what answers it together. */
export function implement<const T extends ServiceTable>(table: T, answers: NoInfer<Answers<T>>): Served {
  const by = answers as unknown as Readonly<Record<string, AnyAnswer>>;
  const served = new Map<string, Answer>();
  const add = (methods: ServiceTable['unary'], make: (method: AnyMethod, answer: AnyAnswer) => Answer) => {
    for (const [key, method] of Object.entries(methods ?? {})) {
      const answer = by[key];
      if (answer !== undefined) served.set(`/${table.name}/${method.name}`, make(method, answer));
    }
  };
  add(table.unary, answerOnce);
  add(table.streams, answerMany);
  add(table.duplex, talk);
  return served;
}

function answerOnce(method: AnyMethod, answer: AnyAnswer): Answer {
  return async function* (requests, call) {
    const request = method.decodeRequest(await only(requests, method.name));
    yield method.encodeResponse((await answer(request, call)) as never);
  };
}

function answerMany(method: AnyMethod, answer: AnyAnswer): Answer {
  return async function* (requests, call) {
    const request = method.decodeRequest(await only(requests, method.name));
    yield* encodeAll(answer(request, call) as AsyncIterable<never>, method);
  };
}

function talk(method: AnyMethod, answer: AnyAnswer): Answer {
  return async function* (requests, call) {
    yield* encodeAll(answer(decodeAll(requests, method), call) as AsyncIterable<never>, method);
  };
}

async function* encodeAll(responses: AsyncIterable<never>, method: AnyMethod) {
  for await (const response of responses) yield method.encodeResponse(response);
}

async function* decodeAll(requests: AsyncGenerator<Buffer>, method: AnyMethod) {
  for await (const request of requests) yield method.decodeRequest(request);
}

/** @throws GrpcError when there is none */
async function only(requests: AsyncGenerator<Buffer>, method: string): Promise<Buffer> {
  for await (const request of requests) return request;
  throw new GrpcError('INTERNAL', method, 'the call ended without a request');
}

/**
 * Answers gRPC calls on a connection that speaks HTTP/2 from its next byte on.
 * @returns when the connection has ended
 */
export async function serveGrpc(socket: Duplex, served: Served): Promise<void> {
  const session = http2.performServerHandshake(socket, { settings: { maxConcurrentStreams: MAX_CALLS } });
  // Its streams are told, and so is whoever waits for the end.
  session.on('error', () => undefined);
  session.on('stream', (stream, headers) => void answer(stream, headers, served));
  await new Promise<void>((resolve) => (session.destroyed ? resolve() : session.once('close', () => resolve())));
}

/** Never rejects. */
async function answer(
  stream: http2.ServerHttp2Stream,
  metadata: http2.IncomingHttpHeaders,
  served: Served,
): Promise<void> {
  stream.on('error', () => undefined);
  const gone = new AbortController();
  stream.once('close', () => gone.abort());
  let failure: unknown;
  try {
    const path = metadata[':path'] ?? '';
    const method = served.get(path);
    if (method === undefined) throw new GrpcError('UNIMPLEMENTED', path, `unknown method ${path}`);
    for await (const pieces of method(messages(stream, path), { signal: gone.signal, metadata })) {
      if (!stream.headersSent) begin(stream);
      await send(stream, pieces);
      if (stream.destroyed) return;
    }
  } catch (thrown) {
    failure = thrown;
  }
  end(stream, failure);
}

/** What the client sends. @throws GrpcError when it is no message */
async function* messages(stream: http2.ServerHttp2Stream, path: string): AsyncGenerator<Buffer> {
  const deframer = new Deframer(LARGEST_REQUEST);
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) yield* deframer.push(chunk as Buffer);
  } catch (error) {
    throw new GrpcError('INTERNAL', path, errorMessage(error));
  } finally {
    // What nobody reads must not keep the client from hearing the answer.
    stream.resume();
  }
}

function begin(stream: http2.ServerHttp2Stream): void {
  if (!stream.destroyed)
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
}

/** Resolves when the client has room for more, or is gone. */
async function send(stream: http2.ServerHttp2Stream, pieces: readonly Uint8Array[]): Promise<void> {
  if (stream.destroyed) return;
  if (stream.write(frame(pieces))) return;
  await drained(stream);
}

function end(stream: http2.ServerHttp2Stream, failure: unknown): void {
  if (stream.destroyed) return;
  const trailers = statusOf(failure);
  if (!stream.headersSent) {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true });
    return;
  }
  stream.once('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end();
}

function statusOf(failure: unknown): http2.OutgoingHttpHeaders {
  if (failure === undefined) return { 'grpc-status': '0' };
  const status = failure instanceof GrpcError ? failure.status : failure instanceof RangeError ? 'INTERNAL' : 'UNKNOWN';
  const message = encodeMessage(errorMessage(failure).slice(0, LONGEST_MESSAGE));
  const headers = { 'grpc-status': String(statusCode(status)), 'grpc-message': message };
  const { statusDetails } = failure as Partial<DetailedError>;
  return statusDetails === undefined
    ? headers
    : { ...headers, 'grpc-status-details-bin': statusDetails.toString('base64') };
}
