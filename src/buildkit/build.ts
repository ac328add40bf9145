import { Readable } from 'node:stream';
import type { BuildListener, BuildOutput, BuildSource, Builds } from '../engine/builds.ts';
import { fullReference, parseIgnoreFile } from '../engine/builds.ts';
import { EngineError } from '../model/errors.ts';
import type { Progress as PullProgress } from '../model/registry.ts';
import { receiveTar, receiveTexts } from './client-files.ts';
import { sendFile, sendFolder } from './export.ts';
import { failureWords, solveError } from './failure.ts';
import { type ContextOption, type FrontendOptions, refuseOtherFrontend } from './options.ts';
import type { Progress, Step } from './progress.ts';
import type { Session, Sessions } from './session.ts';
import { Steps } from './steps.ts';

/** What a name in the Dockerfile stands for. */
export type ClientContext = Exclude<ContextOption, { readonly kind: 'result' }>;

export interface Wish {
  readonly options: Omit<FrontendOptions, 'contexts'>;
  readonly contexts: ReadonlyMap<string, ClientContext>;
  /** Of the client */
  readonly session: string;
  /** The context, when it comes otherwise than by the session: a tar with the Dockerfile in it */
  readonly context?: Readable | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

export type BuildsSurface = Pick<Builds, 'build' | 'usage' | 'prune' | 'hostGateway'>;

/** The folder of a client's that is the context */
const CONTEXT = 'context';
const IGNORE_FILE = '.dockerignore';

const EXPORTS: Readonly<Record<BuildOutput['kind'], string>> = {
  image: 'exporting to image',
  tar: 'exporting to client tarball',
  folder: 'exporting to client directory',
  nothing: 'keeping what was built in the cache',
};

interface Definition {
  readonly name: string;
  readonly text: string;
  /** Its own patterns; undefined: the context's are meant */
  readonly ignored: string | undefined;
}

/**
 * Builds what a client asks for, with the files of its session.
 * @returns the image's id
 * @throws SolveError with BuildKit's words
 */
export async function build(builds: BuildsSurface, sessions: Sessions, wish: Wish): Promise<string> {
  const { options, progress, signal } = wish;
  const session = await sessions.find(wish.session, signal);
  const { upload } = options;
  const tar =
    upload === undefined ? wish.context : Readable.from(session.upload(upload, signal), { objectMode: false });
  let definition: Definition = { name: options.request.dockerfile, text: '', ignored: undefined };
  try {
    if (tar !== undefined) return await run(builds, { context: () => told(tar, progress) }, session, wish);
    const open: OpenFolder = (folder) => sessions.find(options.sessions.get(folder) ?? wish.session, signal);
    definition = await progress.during(`[internal] load build definition from ${definition.name}`, async (step) => {
      for (const warning of options.warnings) step.warn(warning);
      return readDefinition(await open(options.dockerfileFolder), options, signal);
    });
    refuseOtherSyntax(definition.text);
    return await run(builds, await sourceOf(definition, open, wish), session, wish);
  } catch (error) {
    signal.throwIfAborted();
    throw solveError(error, definition);
  }
}

type OpenFolder = (folder: string) => Promise<Session>;

async function readDefinition(
  session: Session,
  { request, dockerfileFolder }: Wish['options'],
  signal: AbortSignal,
): Promise<Definition> {
  const name = request.dockerfile;
  const lower = name === 'Dockerfile' ? ['dockerfile'] : [];
  const follow = [name, `${name}${IGNORE_FILE}`, ...lower];
  const texts = await receiveTexts(session, { name: dockerfileFolder, follow }, signal);
  const text = texts.get(name) ?? texts.get(lower[0] ?? name);
  if (text === undefined) {
    throw new EngineError('notFound', `failed to read dockerfile: open ${name}: no such file or directory`);
  }
  return { name, text, ignored: texts.get(`${name}${IGNORE_FILE}`) };
}

async function readIgnored(session: Session, { ignored }: Definition, signal: AbortSignal): Promise<readonly string[]> {
  if (ignored !== undefined) return parseIgnoreFile(ignored);
  const texts = await receiveTexts(session, { name: CONTEXT, follow: [IGNORE_FILE] }, signal);
  return parseIgnoreFile(texts.get(IGNORE_FILE) ?? '');
}

/** "# syntax=docker/dockerfile:1" means what is built in here. @throws EngineError for any other frontend */
function refuseOtherSyntax(text: string): void {
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) {
    const [, name = '', value = ''] = /^\s*#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/.exec(line) ?? [];
    if (name === '') return;
    if (name.toLowerCase() !== 'syntax') continue;
    refuseOtherFrontend(value);
  }
}

/** @param open a folder's session */
async function sourceOf(
  definition: Definition,
  open: OpenFolder,
  { contexts, progress, signal }: Wish,
): Promise<BuildSource> {
  const session = await open(CONTEXT);
  const exclude = await progress.during(`[internal] load ${IGNORE_FILE}`, () =>
    readIgnored(session, definition, signal),
  );
  return {
    dockerfile: definition.text,
    context: (follow) => told(receiveTar(session, { name: CONTEXT, exclude, follow }, signal), progress),
    contexts,
    folder: (name) => {
      const context = contexts.get(name);
      const folder = context?.kind === 'folder' ? context.folder : name;
      return told(
        Readable.from(receiveNamed(open, folder, signal), { objectMode: false }),
        progress,
        `[context ${name}] load from client`,
      );
    },
  };
}

/** A folder beside the context, with patterns of its own. */
async function* receiveNamed(open: OpenFolder, name: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  const session = await open(name);
  const texts = await receiveTexts(session, { name, follow: [IGNORE_FILE] }, signal);
  yield* receiveTar(session, { name, exclude: parseIgnoreFile(texts.get(IGNORE_FILE) ?? '') }, signal);
}

/** A context that is told of as long as it comes. */
function told(tar: Readable, progress: Progress, name = '[internal] load build context'): Readable {
  const step = progress.step(name);
  let error = '';
  tar.once('error', (failed) => {
    error = failed.message;
  });
  return tar.once('close', () => step.end({ error }));
}

async function run(builds: BuildsSurface, source: BuildSource, session: Session, wish: Wish): Promise<string> {
  const { options, signal } = wish;
  const follower = new Follower(wish, session);
  const request = { ...options.request, output: outputOf(options.output, session, signal) };
  try {
    return await builds.build(source, request, follower.listener);
  } catch (error) {
    follower.fail(failureWords(error));
    throw error;
  }
}

function outputOf(kind: BuildOutput['kind'], session: Session, signal: AbortSignal): BuildOutput {
  if (kind === 'tar') return { kind, send: (path) => sendFile(session, path, signal) };
  if (kind === 'folder') return { kind, send: (path) => sendFolder(session, path, signal) };
  return { kind };
}

/** Tells a build's client of it. */
class Follower {
  readonly #progress: Progress;
  readonly #session: Session;
  readonly #signal: AbortSignal;
  #steps: Steps | undefined;
  /** What goes on beside the Dockerfile's */
  #step: Step | undefined;

  readonly #output: BuildOutput['kind'];

  constructor({ progress, signal, options }: Wish, session: Session) {
    this.#progress = progress;
    this.#session = session;
    this.#signal = signal;
    this.#output = options.output;
  }

  get listener(): BuildListener {
    const [session, signal] = [this.#session, this.#signal];
    return {
      signal,
      begin: (plan) => {
        const steps = new Steps(this.#progress, plan);
        this.#steps = steps;
        return (event) => steps.tell(event);
      },
      during: (phase, work) => (phase.kind === 'base' ? this.#find(phase.reference, work) : this.#take(work)),
      drained: () => this.#progress.drained(),
      progress: (pulled) => this.#pulled(pulled),
      credentials: (registry) => session.credentials(registry, signal),
      secret: (id) => session.secret(id, signal),
      agent: (id) => session.agent(id, signal),
      made: (id, names) => {
        if (this.#output === 'image') this.#step?.part(`writing image ${id}`, { done: true });
        for (const name of names) this.#step?.part(`naming to ${fullReference(name)}`, { done: true });
        this.#step?.end();
      },
    };
  }

  #find<T>(reference: string, work: () => Promise<T>): Promise<T> {
    return this.#progress.during(`[internal] load metadata for ${fullReference(reference)}`, (step) => {
      this.#step = step;
      return work();
    });
  }

  /** Ends when the image has its names. */
  #take<T>(work: () => Promise<T>): Promise<T> {
    this.#steps?.close();
    this.#step = this.#progress.step(EXPORTS[this.#output]);
    return work();
  }

  fail(error: string): void {
    this.#steps?.close(error);
    this.#step?.end({ error });
  }

  #pulled({ id, status, detail }: PullProgress): void {
    if (id === undefined || detail === undefined) return;
    const done = status === 'Pull complete' || status === 'Already exists' || status === 'Download complete';
    this.#step?.part(`${id} ${status ?? ''}`.trim(), { done, ...detail });
  }
}
