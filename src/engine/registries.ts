import type { ProgressListener, RegistryAuth, RemoteImage } from '../model/registry.ts';
import { familiarName, familiarReference, parseReference, type Reference } from '../runtime/images/reference.ts';
import type { Core } from './core.ts';
import { tellOfImage } from './image-events.ts';

/** By whom, and until when. */
export interface RegistryCall {
  readonly auth: RegistryAuth;
  /** Aborted when nobody waits for the outcome any more */
  readonly signal: AbortSignal;
}

export interface TransferRequest extends RegistryCall {
  /** "busybox", "localhost:5000/team/web:1" */
  readonly image: string;
  /** A tag or a digest in place of the image's own; undefined: none was told */
  readonly tag?: string;
  readonly progress: ProgressListener;
}

export interface PullImageRequest extends TransferRequest {
  /** "linux/arm64"; undefined: this machine's */
  readonly platform?: string;
}

/** What is done with registries, with events. */
export class Registries {
  readonly #core: Core;

  constructor(core: Core) {
    this.#core = core;
  }

  /** Brings an image; all of a repository when neither tag nor digest is told. @throws EngineError in Docker's words */
  async pull(request: PullImageRequest): Promise<void> {
    const reference = referenceOf(request);
    const { auth, signal, progress, platform } = request;
    const remote = await this.#core.runtime.images.remote();
    await remote.pull({ reference, auth, signal, progress, platform });
    await this.#tell('pull', reference);
  }

  /** Sends an image; all tags of a repository when none is told. @throws EngineError in Docker's words */
  async push(request: TransferRequest): Promise<void> {
    const reference = referenceOf(request);
    const { auth, signal, progress } = request;
    await (await this.#core.runtime.images.remote()).push({ reference, auth, signal, progress });
    await this.#tell('push', reference);
  }

  /** @returns a token to be stored in place of the password; '' when the registry gives none */
  async logIn(server: string, call: RegistryCall): Promise<string> {
    return (await this.#core.runtime.images.remote()).logIn(server, call);
  }

  /** @throws EngineError in the registry's words */
  async inspect(image: string, call: RegistryCall): Promise<RemoteImage> {
    return (await this.#core.runtime.images.remote()).inspect(parseReference(image), call);
  }

  #tell(action: string, reference: Reference): Promise<void> {
    return tellOfImage(this.#core, action, familiarReference(reference), familiarName(reference.name));
  }
}

/** @throws EngineError invalidArgument in Docker's words */
function referenceOf({ image, tag }: TransferRequest): Reference {
  const reference = parseReference(image);
  if (tag === undefined) return reference;
  return parseReference(`${reference.name}${tag.includes(':') ? '@' : ':'}${tag}`);
}
