import type { Agent, IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { AgentOptions } from 'node:https';
import { Readable } from 'node:stream';
import { EngineError } from '../../model/errors.ts';
import { http, https } from '../../model/http.ts';
import { certificatesFor } from './certificates.ts';
import type { Endpoint } from './endpoints.ts';
import { Unreachable } from './failure.ts';
import { proxyFor } from './proxy.ts';
import { connectionFailure } from './words.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  readonly url: URL;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: Buffer | AsyncIterable<Buffer>;
  readonly signal: AbortSignal;
}

export interface HttpAnswer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: IncomingMessage;
  /** Where it came from, after redirections */
  readonly url: URL;
}

export interface HttpOptions {
  /** Milliseconds without a byte, after which a connection is given up */
  readonly stallTimeout: number;
  /** HTTP_PROXY and the like */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** "Fairway/1.0 …" */
  readonly userAgent: string;
}

const MAX_REDIRECTS = 5;
/** A registry may be long about what it was sent: it hashes gigabytes before it answers. */
const PATIENCE_WITH_UPLOADS = 10;
const MAX_SOCKETS = 16;

/** Requests to one registry and to those it names (token servers, storage), all by the same rules about certificates. */
export class HttpClient implements Disposable {
  readonly #endpoint: Endpoint;
  readonly #options: HttpOptions;
  readonly #agents = new Map<string, Agent>();

  constructor(endpoint: Endpoint, options: HttpOptions) {
    this.#endpoint = endpoint;
    this.#options = options;
  }

  /**
   * Follows redirections; the Authorization header stays with the origin it was meant for.
   * @throws Unreachable in Docker's words when there is no answer; what the signal was aborted with
   */
  async send(request: HttpRequest): Promise<HttpAnswer> {
    let { url } = request;
    let headers = request.headers ?? {};
    for (let hop = 0; hop <= MAX_REDIRECTS; hop++) {
      const answer = await this.#once({ ...request, url, headers });
      const next = redirection(request.method, answer);
      if (next === undefined) return answer;
      answer.body.resume();
      if (next.origin !== url.origin) {
        const { Authorization, ...others } = headers;
        headers = others;
      }
      url = next;
    }
    throw new Unreachable(`${request.method} ${request.url.href}: stopped after ${MAX_REDIRECTS} redirects`);
  }

  /** The registry itself is not encrypted: nothing that follows can be less so. */
  get isPlain(): boolean {
    return this.#endpoint.base.protocol === 'http:';
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  #once({ method, url, headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
    signal.throwIfAborted();
    const timeout = this.#options.stallTimeout * (method === 'PUT' ? PATIENCE_WITH_UPLOADS : 1);
    const all = { 'User-Agent': this.#options.userAgent, ...headers };
    const scheme = url.protocol === 'https:' ? https() : http();
    const request = scheme.request(url, { method, headers: all, agent: this.#agent(url), signal, timeout });
    return new Promise((resolve, reject) => {
      request.on('timeout', () => request.destroy(Object.assign(new Error('i/o timeout'), { code: 'ETIMEDOUT' })));
      request.on('error', (error) => reject(signal.aborted ? signal.reason : connectionFailure(method, url, error)));
      request.on('response', (answer) => {
        // Whoever reads it sees its failure; where nobody reads any more, Node would end the process.
        answer.on('error', () => undefined);
        const { statusCode = 0, statusMessage = '' } = answer;
        resolve({ status: statusCode, statusText: statusMessage, headers: answer.headers, body: answer, url });
      });
      if (body === undefined || Buffer.isBuffer(body)) request.end(body);
      else
        Readable.from(body)
          .on('error', (error) => request.destroy(error))
          .pipe(request);
    });
  }

  #agent(url: URL): Agent {
    const proxy = proxyFor(url, this.#options.environment);
    const key = `${url.protocol} ${proxy ?? ''}`;
    const known = this.#agents.get(key);
    if (known !== undefined) return known;
    const variable = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
    const options = {
      keepAlive: true,
      maxSockets: MAX_SOCKETS,
      ...(proxy === undefined ? {} : { proxyEnv: { [variable]: proxy } }),
    };
    const agent =
      url.protocol === 'https:' ? new (https().Agent)({ ...options, ...this.#tls() }) : new (http().Agent)(options);
    this.#agents.set(key, agent);
    return agent;
  }

  #tls(): AgentOptions {
    const { ca, ...pair } = certificatesFor(this.#endpoint.base.host);
    return this.#endpoint.verify ? { ca: [...ca], ...pair } : { rejectUnauthorized: false, ...pair };
  }
}

/** Uploads are not redirected: what was sent cannot be sent again. */
function redirection(method: string, { status, headers, url }: HttpAnswer): URL | undefined {
  const { location } = headers;
  if (location === undefined || ![301, 302, 303, 307, 308].includes(status)) return undefined;
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  const next = URL.canParse(location, url) ? new URL(location, url) : undefined;
  return next !== undefined && /^https?:$/.test(next.protocol) ? next : undefined;
}

/** A small answer, whole. @throws Unreachable when it breaks off; EngineError when it is larger than `limit` bytes */
export async function readAnswer(answer: HttpAnswer, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw tooLarge(answer, limit);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof EngineError) throw error;
    throw new Unreachable(`${answer.url.href}: unexpected EOF`, { cause: error });
  }
  return Buffer.concat(chunks);
}

function tooLarge(answer: HttpAnswer, limit: number): EngineError {
  return new EngineError('internal', `${answer.url.href}: the answer is larger than ${limit} bytes`);
}
