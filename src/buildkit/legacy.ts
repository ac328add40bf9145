import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { BuildRequest } from '../engine/builds.ts';
import { EngineError } from '../model/errors.ts';
import { Arrivals } from './arrivals.ts';
import { type BuildsSurface, build } from './build.ts';
import { outputOfType } from './options.ts';
import { Progress } from './progress.ts';
import { StatusResponse } from './protos/control.ts';
import type { Sessions } from './session.ts';

/** How long a build waits for its context, and a context for its build, in ms (moby, builder-next/builder.go). */
const PATIENCE = 5_000;

/** A build as the CLI of Docker 20.10 asks for it. */
export interface LegacyWish {
  readonly request: BuildRequest;
  readonly session: string;
  /** '': it has none */
  readonly buildId: string;
  /** Whether the context comes by the session, with this request, or by one of its own */
  readonly context: 'session' | 'request' | 'upload';
  /** Opens this request's */
  readonly body: () => Readable;
  /** Exporters' types; none: an image */
  readonly outputs: readonly string[];
  /** '': there is none */
  readonly warning: string;
}

/** Builds with a session, whose request and progress do not come by gRPC. */
export class LegacyBuilds {
  readonly #builds: BuildsSurface;
  readonly #sessions: Sessions;
  readonly #running = new Map<string, AbortController>();
  readonly #contexts = new Arrivals<Readable>(PATIENCE);

  constructor(builds: BuildsSurface, sessions: Sessions) {
    this.#builds = builds;
    this.#sessions = sessions;
  }

  /**
   * @param tell gets what the client's progress is made of, and says when it has taken it
   * @returns the image's id @throws SolveError
   */
  async build(wish: LegacyWish, gone: AbortSignal, tell: (trace: Buffer) => Promise<void>): Promise<string> {
    const cancelled = new AbortController();
    const signal = AbortSignal.any([gone, cancelled.signal]);
    const progress = new Progress(randomUUID());
    if (wish.buildId !== '') this.#running.set(wish.buildId, cancelled);
    const telling = tellAll(progress, signal, tell);
    try {
      return await this.#build(wish, progress, signal);
    } finally {
      progress.end();
      await telling;
      this.#running.delete(wish.buildId);
    }
  }

  /** A build's context, as the body of a request. @returns when it was read */
  async upload(buildId: string, context: Readable, signal: AbortSignal): Promise<void> {
    const { promise: over, resolve } = Promise.withResolvers<void>();
    context.once('close', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
    this.#contexts.add(buildId, context);
    const late = setTimeout(() => {
      if (this.#contexts.remove(buildId)) context.destroy();
    }, PATIENCE);
    await over;
    clearTimeout(late);
  }

  cancel(buildId: string): void {
    this.#running.get(buildId)?.abort(new EngineError('unavailable', 'the build was cancelled'));
  }

  async #build(wish: LegacyWish, progress: Progress, signal: AbortSignal): Promise<string> {
    const { request, session, outputs, warning } = wish;
    const [type = 'moby', ...more] = outputs;
    const output = outputOfType(type, more.length > 0);
    const options = {
      request: output === 'image' ? request : { ...request, tags: [] },
      output,
      upload: undefined,
      dockerfileFolder: 'dockerfile',
      sessions: new Map<string, string>(),
      warnings: warning === '' ? [] : [warning],
    };
    const context = await this.#contextOf(wish, signal);
    try {
      return await build(this.#builds, this.#sessions, {
        options,
        contexts: new Map(),
        session,
        context,
        progress,
        signal,
      });
    } finally {
      context?.destroy();
    }
  }

  /** @returns undefined: the session has it @throws EngineError when none comes in time */
  async #contextOf({ context, body, buildId }: LegacyWish, signal: AbortSignal): Promise<Readable | undefined> {
    if (context === 'upload') return this.#uploadedContext(buildId, signal);
    return context === 'request' ? body() : undefined;
  }

  async #uploadedContext(buildId: string, signal: AbortSignal): Promise<Readable> {
    const context = await this.#contexts.find(buildId, signal);
    if (context === undefined) throw new EngineError('invalidArgument', 'the build context did not come');
    this.#contexts.remove(buildId);
    return context;
  }
}

async function tellAll(progress: Progress, signal: AbortSignal, tell: (trace: Buffer) => Promise<void>): Promise<void> {
  for await (const update of progress.read(signal)) await tell(StatusResponse.encode(update));
}
