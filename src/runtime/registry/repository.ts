import { createHash } from 'node:crypto';
import { EngineError } from '../../model/errors.ts';
import type { Connection } from './connection.ts';
import { RegistryError, Unreachable } from './failure.ts';
import { type HttpAnswer, readAnswer } from './http.ts';

/** A manifest as the registry gave it, with its digest counted. */
export interface FetchedManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: string;
}

/** What a client takes, best first. The last is taken only to be refused in clear words. */
const MANIFEST_TYPES = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
] as const;

/** Registries refuse larger ones themselves (distribution specification, "Pushing Manifests"). */
const MAX_MANIFEST = 4 << 20;
const MAX_TAG_PAGE = 4 << 20;
const MAX_TAGS = 10_000;
/** A server that gives some tags a time needs no more of them; one that gives none would never end. */
const MAX_TAG_PAGES = 1_000;

/** One repository of a registry: manifests, blobs, tags. https://github.com/opencontainers/distribution-spec */
export class Repository {
  readonly connection: Connection;
  /** Without the domain: "library/busybox" */
  readonly path: string;
  readonly #scopes: readonly string[];

  constructor(connection: Connection, path: string, purpose: 'pull' | 'push') {
    this.connection = connection;
    this.path = path;
    this.#scopes = [scope(path, purpose)];
  }

  /**
   * @param reference a tag, or a digest the manifest must then have
   * @throws RegistryError; EngineError invalidArgument when what came is not what was asked for
   */
  async manifest(reference: string, signal: AbortSignal): Promise<FetchedManifest> {
    const url = this.#url(`manifests/${reference}`);
    const headers = { Accept: MANIFEST_TYPES.join(', ') };
    const answer = await this.connection.send({ method: 'GET', url, headers, signal }, [200], this.#scopes);
    const bytes = await readAnswer(answer, MAX_MANIFEST);
    const digest = digestOf(bytes);
    const told = answer.headers['docker-content-digest'];
    const wanted = reference.startsWith('sha256:') ? reference : typeof told === 'string' ? told : digest;
    if (wanted.startsWith('sha256:') && wanted !== digest) {
      throw new EngineError('internal', `manifest verification failed for digest ${wanted}`);
    }
    return { bytes, digest, mediaType: mediaTypeOf(answer, bytes) };
  }

  /**
   * A blob's bytes from `offset` on.
   * @throws RegistryError, Unreachable
   */
  async blob(digest: string, offset: number, signal: AbortSignal): Promise<AsyncIterable<Buffer>> {
    const headers = offset === 0 ? {} : { Range: `bytes=${offset}-` };
    const url = this.#url(`blobs/${digest}`);
    const answer = await this.connection.send({ method: 'GET', url, headers, signal }, [200, 206], this.#scopes);
    const body = answer.body as AsyncIterable<Buffer>;
    if (offset === 0 && answer.status === 200) return body;
    const start = /^bytes (\d+)-/.exec(answer.headers['content-range'] ?? '')?.[1];
    if (answer.status === 206 && Number(start) === offset) return body;
    // A server that knows no ranges begins anew: what is there already is passed over.
    if (answer.status === 200) return skip(body, offset);
    answer.body.destroy();
    throw new Unreachable(`${url.href}: asked for the bytes from ${offset} on, got "${start ?? 'none'}"`);
  }

  async hasBlob(digest: string, signal: AbortSignal): Promise<boolean> {
    const url = this.#url(`blobs/${digest}`);
    const answer = await this.connection.send({ method: 'HEAD', url, signal }, [200, 404], this.#scopes);
    answer.body.resume();
    return answer.status === 200;
  }

  /** Every tag, in the registry's order. @throws EngineError when there are more than anybody means to pull */
  async tags(signal: AbortSignal): Promise<string[]> {
    const tags: string[] = [];
    let url: URL | undefined = this.#url('tags/list');
    for (let page = 0; url !== undefined; page++) {
      const answer: HttpAnswer = await this.connection.send({ method: 'GET', url, signal }, [200], this.#scopes);
      const more = parseTags(await readAnswer(answer, MAX_TAG_PAGE));
      if (tags.length + more.length > MAX_TAGS || page === MAX_TAG_PAGES) {
        throw new EngineError('internal', `${this.path} has more than ${MAX_TAGS} tags`);
      }
      tags.push(...more);
      url = nextPage(answer, this.connection.endpoint.base);
    }
    return tags;
  }

  /**
   * Takes a blob over from another repository of the same registry.
   * @returns undefined when that is done; else where it may be uploaded to
   */
  async mount(digest: string, from: string, signal: AbortSignal): Promise<URL | undefined> {
    const url = this.#url('blobs/uploads/');
    url.searchParams.set('mount', digest);
    url.searchParams.set('from', from);
    const scopes = [...this.#scopes, scope(from, 'pull')];
    const answer = await this.connection.send({ method: 'POST', url, signal }, [201, 202], scopes);
    answer.body.resume();
    return answer.status === 201 ? undefined : this.#location(answer);
  }

  /** Begins an upload. @returns where its bytes go */
  async startUpload(signal: AbortSignal): Promise<URL> {
    const request = {
      method: 'POST',
      url: this.#url('blobs/uploads/'),
      headers: { 'Content-Length': 0 },
      signal,
    } as const;
    const answer = await this.connection.send(request, [202], this.#scopes);
    answer.body.resume();
    return this.#location(answer);
  }

  /** Sends a whole blob to where an upload was begun. */
  async finishUpload(
    location: URL,
    blob: { readonly digest: string; readonly size: number },
    body: () => AsyncIterable<Buffer>,
    signal: AbortSignal,
  ): Promise<void> {
    const url = new URL(location);
    url.searchParams.set('digest', blob.digest);
    const headers = { 'Content-Length': blob.size, 'Content-Type': 'application/octet-stream' };
    const answer = await this.connection.send({ method: 'PUT', url, headers, body, signal }, [201, 204], this.#scopes);
    answer.body.resume();
  }

  /** @returns its digest */
  async putManifest(tag: string, mediaType: string, bytes: Buffer, signal: AbortSignal): Promise<string> {
    const headers = { 'Content-Type': mediaType, 'Content-Length': bytes.length };
    const url = this.#url(`manifests/${tag}`);
    const request = { method: 'PUT', url, headers, body: () => bytes, signal } as const;
    const answer = await this.connection.send(request, [200, 201, 202], this.#scopes);
    answer.body.resume();
    return digestOf(bytes);
  }

  #url(rest: string): URL {
    return this.connection.url(`/v2/${this.path}/${rest}`);
  }

  #location({ headers, url }: HttpAnswer): URL {
    const { location = '' } = headers;
    if (location === '' || !URL.canParse(location, url)) {
      throw new RegistryError('', 202, 'the registry does not say where to upload to');
    }
    return new URL(location, url);
  }
}

/** "repository:library/busybox:pull" (token authentication specification, scopes) */
function scope(path: string, purpose: 'pull' | 'push'): string {
  return `repository:${path}:${purpose === 'push' ? 'pull,push' : 'pull'}`;
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Of the body where it tells; the header of some servers is wrong or says text/plain. */
function mediaTypeOf(answer: HttpAnswer, bytes: Buffer): string {
  const header = (answer.headers['content-type'] ?? '').split(';')[0]?.trim() ?? '';
  if (header.startsWith('application/vnd.')) return header;
  try {
    const { mediaType } = JSON.parse(bytes.toString()) as { mediaType?: unknown };
    return typeof mediaType === 'string' ? mediaType : header;
  } catch {
    return header;
  }
}

function parseTags(bytes: Buffer): string[] {
  try {
    const { tags } = JSON.parse(bytes.toString()) as { tags?: unknown };
    return Array.isArray(tags) ? tags.filter((tag): tag is string => typeof tag === 'string') : [];
  } catch {
    throw new RegistryError('', 200, 'the registry’s list of tags is no JSON');
  }
}

/** Link: </v2/x/tags/list?n=100&last=b>; rel="next" */
function nextPage(answer: HttpAnswer, base: URL): URL | undefined {
  const { link } = answer.headers;
  const target = /<([^>]*)>\s*;\s*rel="?next"?/.exec(typeof link === 'string' ? link : '')?.[1];
  if (target === undefined || !URL.canParse(target, answer.url)) return undefined;
  const next = new URL(target, answer.url);
  return next.origin === base.origin && next.href !== answer.url.href ? next : undefined;
}

async function* skip(source: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer> {
  let left = bytes;
  for await (const chunk of source) {
    const part = chunk.subarray(Math.min(left, chunk.length));
    left -= chunk.length - part.length;
    if (part.length > 0) yield part;
  }
}
