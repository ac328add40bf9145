import { EngineError, errorMessage } from '../../model/errors.ts';
import type { RegistryAuth } from '../../model/registry.ts';
import { Authorizer } from './authorizer.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import type { Endpoint } from './endpoints.ts';
import { errorFromBody, RegistryError, registryError } from './failure.ts';
import { type HttpAnswer, HttpClient, type HttpOptions, type HttpRequest, readAnswer } from './http.ts';

/** Longer explanations nobody reads. */
const MAX_REFUSAL = 64 << 10;

/** A registry that answers, by one of its endpoints, as one user. */
export class Connection implements Disposable {
  readonly endpoint: Endpoint;
  readonly #http: HttpClient;
  readonly #authorizer: Authorizer;
  #users = 1;

  private constructor(endpoint: Endpoint, http: HttpClient, authorizer: Authorizer) {
    this.endpoint = endpoint;
    this.#http = http;
    this.#authorizer = authorizer;
  }

  /** Asks the registry whether it is one, and how it wants to be asked. @throws Unreachable */
  static async open(endpoint: Endpoint, auth: RegistryAuth, options: HttpOptions, signal: AbortSignal) {
    const http = new HttpClient(endpoint, options);
    try {
      const authorizer = new Authorizer(http, auth);
      const answer = await http.send({ method: 'GET', url: new URL('/v2/', endpoint.base), signal });
      answer.body.resume();
      if (answer.status === 401) authorizer.challenged(challengesOf(answer));
      return new Connection(endpoint, http, authorizer);
    } catch (error) {
      http[Symbol.dispose]();
      throw error;
    }
  }

  /** What a login gave to be stored in place of the password; '' when it gave nothing. */
  get identityToken(): string {
    return this.#authorizer.identityToken;
  }

  url(path: string): URL {
    return new URL(path, this.endpoint.base);
  }

  /**
   * Sends a request with what authorises it; once more with a fresh token when the registry refuses the first.
   *
   * @param request.body is called again for the second time
   * @param wanted statuses that are an answer; every other is thrown
   * @throws RegistryError in the registry's words; Unreachable; EngineError unauthorized
   */
  async send(
    request: Omit<HttpRequest, 'body'> & { readonly body?: () => Buffer | AsyncIterable<Buffer> },
    wanted: readonly number[],
    scopes: readonly string[],
  ): Promise<HttpAnswer> {
    let answer = await this.#attempt(request, scopes);
    if (answer.status === 401) {
      const challenges = challengesOf(answer);
      answer.body.resume();
      this.#authorizer.challenged(challenges);
      this.#authorizer.forget();
      answer = await this.#attempt(request, scopes);
    }
    if (wanted.includes(answer.status)) return answer;
    throw await refusal(answer);
  }

  /** Whether the credentials are taken. @throws as `send` */
  async login(signal: AbortSignal): Promise<void> {
    const url = this.url('/v2/');
    const header = await this.#authorize('GET', url, [], signal, true);
    const answer = await this.#http.send({ method: 'GET', url, headers: authorization(header), signal });
    answer.body.resume();
    if (answer.status === 200) return;
    const words = `login attempt to ${url.href} failed with status: ${answer.status} ${answer.statusText}`;
    throw new EngineError(answer.status === 401 ? 'unauthorized' : 'internal', words);
  }

  /** One more who needs it; it closes when the last is done. */
  share(): Disposable {
    this.#users++;
    return { [Symbol.dispose]: () => this[Symbol.dispose]() };
  }

  [Symbol.dispose](): void {
    this.#users--;
    if (this.#users === 0) this.#http[Symbol.dispose]();
  }

  async #attempt(request: Parameters<Connection['send']>[0], scopes: readonly string[]): Promise<HttpAnswer> {
    const { body, method, url, signal } = request;
    const header = await this.#authorize(method, url, scopes, signal, false);
    const headers = { ...request.headers, ...authorization(header) };
    return this.#http.send({ ...request, headers, ...(body === undefined ? {} : { body: body() }) } as HttpRequest);
  }

  /** A failure says for which request it was, as Docker's do. */
  async #authorize(method: string, url: URL, scopes: readonly string[], signal: AbortSignal, login: boolean) {
    // What the registry hands over to storage elsewhere carries its own authorisation in the address.
    if (url.origin !== this.endpoint.base.origin) return undefined;
    try {
      return await this.#authorizer.header(scopes, signal, { login });
    } catch (error) {
      const refused = error instanceof RegistryError && error.code === 'UNAUTHORIZED';
      if (!refused && !(error instanceof EngineError && error.kind === 'unauthorized')) throw error;
      const verb = method.charAt(0) + method.slice(1).toLowerCase();
      const words = `${verb} "${url.href}": ${errorMessage(error)}`;
      throw new EngineError(login ? 'unauthorized' : 'internal', words, { cause: error });
    }
  }
}

function authorization(header: string | undefined): { Authorization?: string } {
  return header === undefined ? {} : { Authorization: header };
}

function challengesOf(answer: HttpAnswer): Challenge[] {
  return parseChallenges(answer.headers['www-authenticate'] ?? '');
}

/** The registry's own words; a bearer challenge knows better than they whether the token or its scope was the reason. */
async function refusal(answer: HttpAnswer): Promise<RegistryError> {
  const { status, statusText } = answer;
  const bearer = challengesOf(answer).find(({ scheme }) => scheme === 'bearer');
  const why = bearer?.parameters.get('error') ?? '';
  const body = (await readAnswer(answer, MAX_REFUSAL).catch(() => Buffer.alloc(0))).toString();
  const words = bearer?.parameters.get('error_description') ?? '';
  if (status === 401 && why === 'insufficient_scope') return registryError('DENIED', status, words);
  if (status === 401 && why === 'invalid_token') return registryError('UNAUTHORIZED', status, words);
  const wait = /^\d{1,9}$/.exec(answer.headers['retry-after'] ?? '')?.[0];
  return errorFromBody(status, statusText, body, wait === undefined ? undefined : Number(wait));
}
