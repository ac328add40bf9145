import { Readable } from 'node:stream';
import type { BuildListener, BuildOutput, BuildSource, Builds } from '../engine/builds.ts';
import { fullReference, parseIgnoreFile } from '../engine/builds.ts';
import { EngineError } from '../model/errors.ts';
import { ANONYMOUS, type Progress as PullProgress } from '../model/registry.ts';
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
  /** Of the client; '': it has none, and brings a context */
  readonly session: string;
  /** The context, when it comes otherwise than by the session: a tar with the Dockerfile in it */
  readonly context?: Readable | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** What a build asks for beside files. */
type Client = Pick<Session, 'credentials' | 'secret' | 'agent'>;

/** A client without a session. */
const NOBODY: Client = {
  credentials: async () => ANONYMOUS,
  secret: async () => undefined,
  agent: async () => undefined,
};

export type BuildsSurface = Pick<Builds, 'build' | 'usage' | 'prune' | 'hostGateway'>;

/** The folder of a client's that is the context */
const CONTEXT = 'context';
const IGNORE_FILE = '.dockerignore';
/** What BuildKit calls one that is no folder of the client's (dockerui, context.go). */
const REMOTE_CONTEXT = '[internal] load remote build context';

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
  const { upload, warnings } = options;
  const alone = wish.session === '' && wish.context !== undefined;
  const session = alone ? undefined : await sessions.find(wish.session, signal);
  const uploaded = upload === undefined ? undefined : session?.upload(upload, signal);
  const tar = uploaded === undefined ? wish.context : Readable.from(uploaded, { objectMode: false });
  let definition: Definition = { name: options.request.dockerfile, text: '', ignored: undefined };
  try {
    if (tar !== undefined) {
      return await run(builds, { context: () => told(tar, progress, REMOTE_CONTEXT, warnings) }, session, wish);
    }
    const open: OpenFolder = (folder) => sessions.find(options.sessions.get(folder) ?? wish.session, signal);
    definition = await progress.during(`[internal] load build definition from ${definition.name}`, async (step) => {
      for (const warning of warnings) step.warn(warning);
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
function told(
  tar: Readable,
  progress: Progress,
  name = '[internal] load build context',
  warnings: readonly string[] = [],
): Readable {
  const step = progress.step(name);
  for (const warning of warnings) step.warn(warning);
  let error = '';
  tar.once('error', (failed) => {
    error = failed.message;
  });
  return tar.once('close', () => step.end({ error }));
}

async function run(
  builds: BuildsSurface,
  source: BuildSource,
  session: Session | undefined,
  wish: Wish,
): Promise<string> {
  const { options, signal } = wish;
  const follower = new Follower(wish, session ?? NOBODY);
  const request = { ...options.request, output: outputOf(options.output, session, signal) };
  try {
    return await builds.build(source, request, follower.listener);
  } catch (error) {
    follower.fail(failureWords(error));
    throw error;
  }
}

/** @throws EngineError invalidArgument when nobody is there to take files */
function outputOf(kind: BuildOutput['kind'], session: Session | undefined, signal: AbortSignal): BuildOutput {
  if (kind === 'image' || kind === 'nothing') return { kind };
  if (session === undefined) throw new EngineError('invalidArgument', 'could not access local files without session');
  if (kind === 'tar') return { kind, send: (path) => sendFile(session, path, signal) };
  return { kind, send: (path) => sendFolder(session, path, signal) };
}

/** Tells a build's client of it. */
class Follower {
  readonly #progress: Progress;
  readonly #client: Client;
  readonly #signal: AbortSignal;
  #steps: Steps | undefined;
  /** What goes on beside the Dockerfile's */
  #step: Step | undefined;

  readonly #output: BuildOutput['kind'];

  constructor({ progress, signal, options }: Wish, client: Client) {
    this.#progress = progress;
    this.#client = client;
    this.#signal = signal;
    this.#output = options.output;
  }

  get listener(): BuildListener {
    const [client, signal] = [this.#client, this.#signal];
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
      credentials: (registry) => client.credentials(registry, signal),
      secret: (id) => client.secret(id, signal),
      agent: (id) => client.agent(id, signal),
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
