import { EngineError } from '../../model/errors.ts';
import type { RegistryAuth } from '../../model/registry.ts';
import type { Challenge } from './challenge.ts';
import { errorFromBody, RegistryError } from './failure.ts';
import { type HttpAnswer, type HttpClient, readAnswer } from './http.ts';
import { bareHost, isLoopback } from './proxy.ts';

/** Tokens are some KiB. */
const MAX_ANSWER = 1 << 20;
/** Seconds a token holds where its server does not say so (distribution specification, token authentication) */
const DEFAULT_LIFETIME = 60;
/** Milliseconds before its end at which a token counts as used up */
const MARGIN = 5_000;
/** By this name token servers know Docker's daemons, and with them us. */
const CLIENT_ID = 'docker';

interface Token {
  readonly header: string;
  /** As Date.now() */
  readonly until: number;
}

/**
 * Answers a registry's challenges: basic credentials, or bearer tokens of the server the challenge names, each for certain
 * scopes. https://distribution.github.io/distribution/spec/auth/token/
 */
export class Authorizer {
  readonly #http: HttpClient;
  readonly #auth: RegistryAuth;
  readonly #tokens = new Map<string, Token>();
  #challenges: readonly Challenge[] = [];
  /** What a token server gave to be stored in place of the password; '' when it gave none */
  identityToken = '';

  constructor(http: HttpClient, auth: RegistryAuth) {
    this.#http = http;
    this.#auth = auth;
  }

  /** Remembers how this registry wants to be asked. */
  challenged(challenges: readonly Challenge[]): void {
    this.#challenges = challenges;
  }

  /**
   * The Authorization header for these scopes; undefined when the registry wants none.
   *
   * @param options.login asks for a refresh token too
   * @throws EngineError unauthorized without credentials, or in the token server's words
   */
  async header(
    scopes: readonly string[],
    signal: AbortSignal,
    options: { readonly login?: boolean } = {},
  ): Promise<string | undefined> {
    if (this.#auth.registryToken !== '') return `Bearer ${this.#auth.registryToken}`;
    const bearer = this.#challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) return this.#bearer(bearer, scopes, signal, options.login === true);
    if (this.#challenges.some(({ scheme }) => scheme === 'basic')) return this.#basic();
    const [other] = this.#challenges;
    if (other === undefined) return undefined;
    throw new EngineError(
      'unauthorized',
      `the registry asks for ${other.scheme} authentication, which is not supported`,
    );
  }

  /** What was given is no longer taken. */
  forget(): void {
    this.#tokens.clear();
  }

  #basic(): string {
    const { username, password } = this.#auth;
    if (username === '' && password === '') throw new EngineError('unauthorized', 'no basic auth credentials');
    return basicHeader(username, password);
  }

  async #bearer(challenge: Challenge, scopes: readonly string[], signal: AbortSignal, login: boolean): Promise<string> {
    const key = [...scopes].sort().join(' ');
    const known = this.#tokens.get(key);
    if (known !== undefined && known.until > Date.now()) return known.header;
    const realm = this.#realm(challenge);
    const service = challenge.parameters.get('service') ?? '';
    const answer = await (this.#auth.identityToken === ''
      ? this.#fetch(realm, service, scopes, signal, login)
      : this.#refresh(realm, service, scopes, signal));
    const token = await parseToken(answer);
    this.identityToken = token.refresh;
    const header = `Bearer ${token.access}`;
    this.#tokens.set(key, { header, until: Date.now() + token.lifetime * 1000 - MARGIN });
    return header;
  }

  /** A registry must not make us say a password aloud: from https only https, except on this machine. */
  #realm({ parameters }: Challenge): URL {
    const text = parameters.get('realm') ?? '';
    const realm = URL.canParse(text) ? new URL(text) : undefined;
    if (realm === undefined || !/^https?:$/.test(realm.protocol)) {
      throw new EngineError('internal', `invalid token auth challenge realm: "${text.slice(0, 200)}"`);
    }
    const anonymous = this.#auth.username === '' && this.#auth.identityToken === '';
    if (anonymous || realm.protocol === 'https:' || this.#http.isPlain || isLoopback(bareHost(realm))) return realm;
    throw new EngineError('forbidden', `refusing to send credentials to ${realm.origin}, which is not encrypted`);
  }

  #fetch(realm: URL, service: string, scopes: readonly string[], signal: AbortSignal, login: boolean) {
    const url = new URL(realm);
    const { username, password } = this.#auth;
    if (service !== '') url.searchParams.set('service', service);
    for (const scope of scopes) url.searchParams.append('scope', scope);
    if (username !== '') url.searchParams.set('account', username);
    if (login) {
      url.searchParams.set('offline_token', 'true');
      url.searchParams.set('client_id', CLIENT_ID);
    }
    const headers = username === '' ? {} : { Authorization: basicHeader(username, password) };
    return this.#http.send({ method: 'GET', url, headers, signal });
  }

  /** https://distribution.github.io/distribution/spec/auth/oauth/ */
  #refresh(realm: URL, service: string, scopes: readonly string[], signal: AbortSignal) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: this.#auth.identityToken,
      service,
      client_id: CLIENT_ID,
      ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
    });
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    return this.#http.send({ method: 'POST', url: realm, headers, body: Buffer.from(form.toString()), signal });
  }
}

interface GivenToken {
  readonly access: string;
  readonly refresh: string;
  /** Seconds */
  readonly lifetime: number;
}

/** @throws RegistryError in the server's words */
async function parseToken(answer: HttpAnswer): Promise<GivenToken> {
  const text = (await readAnswer(answer, MAX_ANSWER)).toString();
  if (answer.status !== 200) throw errorFromBody(answer.status, answer.statusText, text);
  const document = asObject(text);
  const field = (name: string) => (typeof document[name] === 'string' ? document[name] : '');
  const access = field('token') === '' ? field('access_token') : field('token');
  // It becomes a header: nothing that could end the line and begin another.
  if (!/^[\x21-\x7e]+$/.test(access)) {
    throw new RegistryError('', answer.status, 'authorization server did not include a token in the response');
  }
  const lifetime = Number(document['expires_in'] ?? 0);
  return { access, refresh: field('refresh_token'), lifetime: Math.max(DEFAULT_LIFETIME, lifetime || 0) };
}

function asObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

function basicHeader(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}
