import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { EngineError } from '../model/errors.ts';
import { invalid } from './status.ts';

/** No request of the API is near this: 500 published ports and a page of labels are 60 kB. */
const LARGEST_JSON = 4 * 1024 * 1024;
/** A client that sends its JSON slower than this is not one. */
const BODY_TIMEOUT_MS = 60_000;

/** A connection that left HTTP before its body was read. */
export interface Upgrade {
  readonly socket: Duplex;
  /** What arrived behind the headers: Node 24 leaves the body here, Node 26 on the request */
  readonly head: Buffer;
}

/**
 * The body as JSON; undefined when there is none.
 * @throws EngineError tooLarge, or invalidArgument with Docker's words (moby: api/server/httputils)
 */
export async function readJson(request: IncomingMessage, upgrade?: Upgrade): Promise<unknown> {
  const bytes = upgrade === undefined ? await readAll(request) : await readUpgradeBody(request, upgrade);
  if (bytes.length === 0) {
    if (request.headers['transfer-encoding'] === undefined) return undefined;
    throw invalid('invalid JSON: got EOF while reading request body');
  }
  requireJson(request.headers['content-type'] ?? '');
  return parse(bytes.toString('utf8'));
}

/** @throws EngineError invalidArgument */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`invalid JSON: ${explain(error, text)}`);
  }
}

/** Where Docker has words for it, those. */
function explain(error: unknown, text: string): string {
  const message = error instanceof Error ? error.message : String(error);
  if (/unexpected end|unterminated/i.test(message)) return 'unexpected EOF';
  if (/after JSON/i.test(message)) return 'unexpected content after JSON';
  const position = /position (\d+)/.exec(message)?.[1];
  if (Number(position) >= text.length) return 'unexpected EOF';
  const character = /^Unexpected token '(.)'/su.exec(message)?.[1] ?? text.at(Number(position ?? 0)) ?? '';
  const [, where = 'looking for beginning of value'] = PLACES.find(([words]) => message.startsWith(words)) ?? [];
  return `invalid character '${character}' ${where}`;
}

/** What V8 calls the places where Go's decoder meets what it does not expect, and how that calls them. */
const PLACES: readonly (readonly [string, string])[] = [
  ['Expected property name', 'looking for beginning of object key string'],
  ['Expected double-quoted property name', 'looking for beginning of object key string'],
  ["Expected ':'", 'after object key'],
  ["Expected ',' or '}'", 'after object key:value pair'],
  ["Expected ',' or ']'", 'after array element'],
  ['Bad control character', 'in string literal'],
  ['Bad escaped character', 'in string escape code'],
];

/** Docker asks for the type only where there is a body; parameters such as a charset are fine. */
function requireJson(contentType: string): void {
  const mime = contentType.split(';')[0]?.trim().toLowerCase() ?? '';
  if (mime === 'application/json') return;
  throw invalid(`unsupported Content-Type header (${contentType}): must be 'application/json'`);
}

/** Said before the rest is read, so that nobody can fill the memory with a body. */
function tooLarge(): EngineError {
  return new EngineError('tooLarge', `request body too large: at most ${LARGEST_JSON} bytes are accepted`);
}

/** @throws Error when the client goes away or takes too long in the middle */
export async function readAll(request: IncomingMessage): Promise<Buffer> {
  if (declaredLength(request) > LARGEST_JSON) throw tooLarge();
  const late = setTimeout(() => request.destroy(new Error('the request body took too long')), BODY_TIMEOUT_MS);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    // Leaving the loop must not destroy the request: its connection still has to carry the refusal.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      size += (chunk as Buffer).length;
      if (size > LARGEST_JSON) throw tooLarge();
      chunks.push(chunk as Buffer);
    }
  } finally {
    clearTimeout(late);
  }
  return Buffer.concat(chunks);
}

/**
 * The body of an upgraded request: on the request with Node 26, in the head and the socket with Node 24. What lies behind
 * it is the client's first input and goes back to the socket.
 */
export async function readUpgradeBody(request: IncomingMessage, upgrade: Upgrade): Promise<Buffer> {
  const length = declaredLength(request);
  if (request.headers['transfer-encoding'] !== undefined) throw invalid('an upgrade needs a body of known length');
  if (length > LARGEST_JSON) throw tooLarge();
  const body = length === 0 ? Buffer.alloc(0) : await readAll(request);
  if (body.length < length) return await readSocket(upgrade, length);
  if (upgrade.head.length > 0) upgrade.socket.unshift(upgrade.head);
  return body;
}

/**
 * What follows the headers, or the body that was read, whatever they say of more. docker-modem announces a body in chunks and waits for
 * the answer instead of sending it; Docker takes the connection over without a look at it (Go: net/http, Hijacker). Node's parser would go on looking for HTTP.
 */
export function rawSocket({ socket: raw }: IncomingMessage, { head }: Upgrade): Duplex {
  for (const event of ['data', 'end']) raw.removeAllListeners(event);
  // The parser lets go of the socket's handle when somebody else wants to read (lib/_http_server.js, unconsume).
  const nobody = () => undefined;
  raw.on('data', nobody).off('data', nobody).pause();
  if (head.length > 0) raw.unshift(head);
  return raw;
}

/** @throws Error when the client goes away or takes too long in the middle */
async function readSocket({ socket, head }: Upgrade, length: number): Promise<Buffer> {
  const chunks = [head];
  let size = head.length;
  const { promise: full, resolve, reject } = Promise.withResolvers<void>();
  const take = (chunk: Buffer) => {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= length) resolve();
  };
  const gone = () => reject(new Error('the client went away'));
  const late = setTimeout(gone, BODY_TIMEOUT_MS);
  socket.on('data', take).on('close', gone).on('end', gone);
  if (size >= length) resolve();
  await full.finally(() => {
    clearTimeout(late);
    socket.off('data', take).off('close', gone).off('end', gone).pause();
  });
  const all = Buffer.concat(chunks);
  if (all.length > length) socket.unshift(all.subarray(length));
  return all.subarray(0, length);
}

/** Content-Length in bytes; 0 when there is none. Node has checked that it is a number. */
function declaredLength(request: IncomingMessage): number {
  return Number(request.headers['content-length'] ?? 0);
}
