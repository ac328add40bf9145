import type { Call, CallOptions, Channel } from './channel.ts';
import { ContainerdError } from './error.ts';
import type { InputOf, MessageType, OutputOf } from './protobuf.ts';

/** A method by its name in the service, with its messages. */
interface Method<In, Out> {
  readonly name: string;
  encode(request: In): readonly Uint8Array[];
  decode(response: Buffer): Out;
}

type AnyMethod = Method<never, unknown>;
type Methods = Readonly<Record<string, AnyMethod>>;

/** A gRPC service as data; `bind` makes it callable. */
export interface ServiceTable {
  /** With its package: "containerd.services.tasks.v1.Tasks" */
  readonly name: string;
  readonly unary?: Methods;
  readonly streams?: Methods;
  readonly duplex?: Methods;
}

type RequestOf<M extends AnyMethod> = Parameters<M['encode']>[0];
type ResponseOf<M extends AnyMethod> = ReturnType<M['decode']>;

type Unary<M extends AnyMethod> = (request: RequestOf<M>, options?: CallOptions) => Promise<ResponseOf<M>>;
type Streaming<M extends AnyMethod> = (request: RequestOf<M>, options?: CallOptions) => AsyncGenerator<ResponseOf<M>>;
type Talking<M extends AnyMethod> = (options?: CallOptions) => Conversation<RequestOf<M>, ResponseOf<M>>;

type Part<T extends ServiceTable, K extends 'unary' | 'streams' | 'duplex'> = T[K] extends Methods ? T[K] : object;

/** All methods of a service as functions. Every one throws ContainerdError. */
export type Service<T extends ServiceTable> = {
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

/** Requests and answers in turns, as the caller pleases. */
interface Conversation<In, Out> {
  send(request: In): Promise<void>;
  /** The next answer. @throws ContainerdError, also when there is none left */
  receive(): Promise<Out>;
  close(): void;
}

function method<Req extends MessageType<unknown, never>, Res extends MessageType<unknown, never>>(
  name: string,
  request: Req,
  response: Res,
): Method<InputOf<Req>, OutputOf<Res>> {
  return {
    name,
    encode: (value) => request.pieces(value as never),
    decode: (bytes) => response.decode(bytes) as OutputOf<Res>,
  };
}

/** One request, one answer. */
export const unary = method;
/** One request, many answers. */
export const serverStream = method;
/** Many requests, many answers. */
export const duplex = method;

/** Makes a service's table callable over a channel. */
export function bind<const T extends ServiceTable>(channel: Channel, table: T): Service<T> {
  const path = (name: string) => `/${table.name}/${name}`;
  const bound: Record<string, unknown> = {};
  for (const [key, m] of Object.entries(table.unary ?? {})) {
    bound[key] = (request: never, options?: CallOptions) => callUnary(channel, path(m.name), m, request, options);
  }
  for (const [key, m] of Object.entries(table.streams ?? {})) {
    bound[key] = (request: never, options?: CallOptions) => callStream(channel, path(m.name), m, request, options);
  }
  for (const [key, m] of Object.entries(table.duplex ?? {})) {
    bound[key] = (options?: CallOptions) => converse(channel.open(path(m.name), options), path(m.name), m);
  }
  return bound as Service<T>;
}

async function callUnary(channel: Channel, path: string, m: AnyMethod, request: never, options?: CallOptions) {
  const answers: unknown[] = [];
  for await (const answer of callStream(channel, path, m, request, options)) answers.push(answer);
  if (answers.length === 1) return answers[0];
  throw new ContainerdError('INTERNAL', path, `${answers.length} answers instead of one`);
}

async function* callStream(channel: Channel, path: string, m: AnyMethod, request: never, options?: CallOptions) {
  const call = channel.open(path, options);
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
      if (next.done === true) throw new ContainerdError('INTERNAL', path, 'no further answer');
      return m.decode(next.value);
    },
    close: () => call.cancel(),
  };
}
