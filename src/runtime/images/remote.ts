import { EngineError } from '../../model/errors.ts';
import { hostPlatform, parsePlatformName } from '../../model/platform.ts';
import type { Platform, ProgressListener, RemoteImage } from '../../model/registry.ts';
import { RegistryError } from '../registry/failure.ts';
import { persist } from '../registry/persist.ts';
import { logIn, openRepository, type RegistryUser } from '../registry/registry.ts';
import type { Repository } from '../registry/repository.ts';
import { MAX_DOCUMENT, parseDocument } from './blobs.ts';
import { parseConfig } from './config.ts';
import { isIndex, parseIndex } from './manifest.ts';
import { Puller, type PullTools } from './pull.ts';
import { Pusher } from './push.ts';
import { familiarName, familiarReference, type Reference } from './reference.ts';
import { fetchManifest, imageManifest, MANIFEST_ATTEMPTS } from './remote-manifest.ts';

export interface RemoteRequest extends RegistryUser {
  /** With neither tag nor digest, all tags are meant */
  readonly reference: Reference;
  readonly progress: ProgressListener;
}

/** Images in registries: bringing them here, sending them there, looking at them. */
export class RemoteImages {
  readonly #tools: PullTools;
  readonly #puller: Puller;
  readonly #pusher: Pusher;

  constructor(tools: PullTools) {
    this.#tools = tools;
    this.#puller = new Puller(tools);
    this.#pusher = new Pusher(tools);
  }

  /**
   * @param request.platform "linux/arm64"; undefined: this machine's
   * @throws EngineError in Docker's words
   */
  async pull(request: RemoteRequest & { readonly platform: string | undefined }): Promise<void> {
    const { reference, progress } = request;
    const platform = request.platform === undefined ? hostPlatform() : parsePlatformName(request.platform);
    let newer = false;
    for (const one of await this.#references(request)) {
      const pulled = this.#puller.pull({ ...request, reference: one, platform });
      newer = (await pulled.catch(inPullWords(one))) || newer;
    }
    const status = newer ? 'Downloaded newer image for' : 'Image is up to date for';
    progress({ status: `Status: ${status} ${familiarReference(reference)}` });
  }

  /** Sends one tag, or all of a repository. @throws EngineError in Docker's words */
  push(request: RemoteRequest): Promise<void> {
    return this.#pusher.push(request);
  }

  /** @returns what the registry gave to be stored in place of the password; '' when it gave nothing */
  logIn(server: string, user: RegistryUser): Promise<string> {
    return logIn(server, { ...this.#tools.registry, ...user });
  }

  /** What a name leads to in its registry. @throws EngineError in the registry's words */
  async inspect(reference: Reference, user: RegistryUser): Promise<RemoteImage> {
    const wanted = reference.digest ?? reference.tag ?? 'latest';
    using open = await openRepository(reference.name, 'pull', { ...this.#tools.registry, ...user }, (repository) =>
      fetchManifest(repository, wanted, user.signal),
    );
    const { repository, answer } = open;
    const platforms = isIndex(answer)
      ? parseIndex(parseDocument(answer.bytes, answer.digest)).flatMap(({ platform }) => platform ?? [])
      : [await this.#platform(repository, answer, user.signal)];
    return { mediaType: answer.mediaType, digest: answer.digest, size: answer.bytes.length, platforms };
  }

  async #references(request: RemoteRequest): Promise<Reference[]> {
    const { reference } = request;
    const { name, tag, digest } = reference;
    if (tag !== undefined || digest !== undefined) return [reference];
    using open = await openRepository(name, 'pull', { ...this.#tools.registry, ...request }, (repository) =>
      persist(MANIFEST_ATTEMPTS, request.signal, () => repository.tags(request.signal)),
    ).catch(inPullWords(reference));
    return open.answer.map((each) => ({ name, tag: each }));
  }

  /** A single image tells its platform in its configuration. */
  async #platform(
    repository: Repository,
    top: Awaited<ReturnType<typeof fetchManifest>>,
    signal: AbortSignal,
  ): Promise<Platform> {
    const { manifest } = await imageManifest(repository, top, hostPlatform(), signal);
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of await repository.blob(manifest.config.digest, 0, signal)) {
      size += chunk.length;
      if (size > MAX_DOCUMENT) throw new EngineError('invalidArgument', 'invalid image: configuration is too large');
      chunks.push(chunk);
    }
    const { os, architecture } = parseConfig(parseDocument(Buffer.concat(chunks), manifest.config.digest));
    return { os, architecture, variant: '' };
  }
}

/** Docker's words around the registry's. */
function inPullWords(reference: Reference): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof RegistryError)) throw error;
    const { code, status, message } = error;
    const words: Readonly<Record<string, string>> = {
      DENIED: `pull access denied for ${familiarName(reference.name)}, repository does not exist or may require 'docker login': `,
      MANIFEST_UNKNOWN: `manifest for ${familiarReference(reference)} not found: `,
      NAME_UNKNOWN: `repository ${familiarName(reference.name)} not found: `,
    };
    throw new RegistryError(code, status, `${words[code] ?? ''}${message}`);
  };
}
