import type { Call, CallOptions, Peer } from './call.ts';
import { GrpcError } from './error.ts';
import type { InputOf, MessageType, OutputOf } from './protobuf.ts';

/** A method by its name in the service, with its messages. */
interface Method<In, Out, HeardIn, SaidOut> {
  readonly name: string;
  encode(request: In): readonly Uint8Array[];
  decode(response: Buffer): Out;
  /** The other side's: what it hears, and what it says */
  decodeRequest(bytes: Buffer): HeardIn;
  encodeResponse(response: SaidOut): readonly Uint8Array[];
}

export type AnyMethod = Method<never, unknown, unknown, never>;
type Methods = Readonly<Record<string, AnyMethod>>;

/** A gRPC service as data; `bind` makes it callable, `implement` answers it (server.ts). */
export interface ServiceTable {
  /** With its package: "containerd.services.tasks.v1.Tasks" */
  readonly name: string;
  readonly unary?: Methods;
  readonly streams?: Methods;
  readonly duplex?: Methods;
}

type RequestOf<M extends AnyMethod> = Parameters<M['encode']>[0];
type ResponseOf<M extends AnyMethod> = ReturnType<M['decode']>;

type Unary<M extends AnyMethod, O> = (request: RequestOf<M>, options?: O) => Promise<ResponseOf<M>>;
type Streaming<M extends AnyMethod, O> = (request: RequestOf<M>, options?: O) => AsyncGenerator<ResponseOf<M>>;
type Talking<M extends AnyMethod, O> = (options?: O) => Conversation<RequestOf<M>, ResponseOf<M>>;

export type Part<T extends ServiceTable, K extends 'unary' | 'streams' | 'duplex'> = T[K] extends Methods
  ? T[K]
  : object;

/** All methods of a service as functions. Every one throws GrpcError. */
export type Service<T extends ServiceTable, O extends CallOptions> = {
  readonly [K in keyof Part<T, 'unary'>]: Part<T, 'unary'>[K] extends AnyMethod ? Unary<Part<T, 'unary'>[K], O> : never;
} & {
  readonly [K in keyof Part<T, 'streams'>]: Part<T, 'streams'>[K] extends AnyMethod
    ? Streaming<Part<T, 'streams'>[K], O>
    : never;
} & {
  readonly [K in keyof Part<T, 'duplex'>]: Part<T, 'duplex'>[K] extends AnyMethod
    ? Talking<Part<T, 'duplex'>[K], O>
    : never;
};

/** Requests and answers in turns, as the caller pleases. */
export interface Conversation<In, Out> {
  send(request: In): Promise<void>;
  /** The next answer. @throws GrpcError, also when there is none left */
  receive(): Promise<Out>;
  /** The rest of the answers; it ends with the call. @throws GrpcError when that ends badly */
  rest(): AsyncGenerator<Out>;
  /** Says that no further request comes. */
  finish(): void;
  close(): void;
}

function method<Req extends MessageType<unknown, never>, Res extends MessageType<unknown, never>>(
  name: string,
  request: Req,
  response: Res,
): Method<InputOf<Req>, OutputOf<Res>, OutputOf<Req>, InputOf<Res>> {
  return {
    name,
    encode: (value) => request.pieces(value as never),
    decode: (bytes) => response.decode(bytes) as OutputOf<Res>,
    decodeRequest: (bytes) => request.decode(bytes) as OutputOf<Req>,
    encodeResponse: (value) => response.pieces(value as never),
  };
}

/** One request, one answer. */
export const unary = method;
/** One request, many answers. */
export const serverStream = method;
/** Many requests, many answers. */
export const duplex = method;

/** Makes a service's table callable. */
export function bind<const T extends ServiceTable, O extends CallOptions>(peer: Peer<O>, table: T): Service<T, O> {
  const path = (name: string) => `/${table.name}/${name}`;
  const bound: Record<string, unknown> = {};
  for (const [key, m] of Object.entries(table.unary ?? {})) {
    bound[key] = (request: never, options?: O) => callUnary(peer, path(m.name), m, request, options);
  }
  for (const [key, m] of Object.entries(table.streams ?? {})) {
    bound[key] = (request: never, options?: O) => callStream(peer, path(m.name), m, request, options);
  }
  for (const [key, m] of Object.entries(table.duplex ?? {})) {
    bound[key] = (options?: O) => converse(peer.open(path(m.name), options), path(m.name), m);
  }
  return bound as Service<T, O>;
}

async function callUnary<O extends CallOptions>(
  peer: Peer<O>,
  path: string,
  m: AnyMethod,
  request: never,
  options?: O,
) {
  const answers: unknown[] = [];
  for await (const answer of callStream(peer, path, m, request, options)) answers.push(answer);
  if (answers.length === 1) return answers[0];
  throw new GrpcError('INTERNAL', path, `${answers.length} answers instead of one`);
}

async function* callStream<O extends CallOptions>(
  peer: Peer<O>,
  path: string,
  m: AnyMethod,
  request: never,
  options?: O,
) {
  const call = peer.open(path, options);
  call.sendOnly(m.encode(request));
  try {
    for await (const answer of call.messages()) yield m.decode(answer);
  } finally {
    call.cancel();
  }
}

function converse(call: Call, path: string, m: AnyMethod): Conversation<never, unknown> {
  const answers = call.messages();
  return {
    send: (request) => call.send(m.encode(request)),
    async receive() {
      const next = await answers.next();
      if (next.done === true) throw new GrpcError('INTERNAL', path, 'no further answer');
      return m.decode(next.value);
    },
    async *rest() {
      for await (const answer of answers) yield m.decode(answer);
    },
    finish: () => call.finish(),
    close: () => call.cancel(),
  };
}
