import { Writable } from 'node:stream';
import type { Container } from '../model/container.ts';
import { drained } from '../model/drained.ts';
import { EngineError } from '../model/errors.ts';
import { checkReadable, readLog } from '../runtime/logs/logs.ts';
import type { Attachment, AttachRequest, OutputListener } from './attachment.ts';
import { containerPaths } from './container-paths.ts';
import { refuseRestarting } from './container-stop.ts';
import { type Core, containerEvent } from './core.ts';
import type { LiveContainer } from './live.ts';
import { findContainer } from './lookup.ts';
import type { Session } from './session.ts';

interface AttachChoice {
  readonly tty: boolean;
  readonly wanted: { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean };
  /** The client's end of input is the process's */
  readonly closesStdin: boolean;
}

/** One client's view of a session, which goes on when the client goes. */
export function attachTo(session: Session, { tty, wanted, closesStdin }: AttachChoice): Attachment {
  const { stdin } = session;
  return {
    tty,
    ended: session.ended,
    subscribe: (listener) =>
      session.subscribe((stream, chunk) => (wanted[stream] ? listener(stream, chunk) : undefined)),
    ...(stdin === undefined || !wanted.stdin ? {} : { stdin: clientInput(stdin, closesStdin) }),
  };
}

/**
 * The same for a client that comes only when the process has started already: what it writes first waits for the first
 * listener, and so does the process when it writes much.
 */
export function attachEarly(session: Session, choice: AttachChoice): Attachment {
  const attachment = attachTo(session, choice);
  const { promise, resolve } = Promise.withResolvers<OutputListener>();
  const leave = attachment.subscribe(async (stream, chunk) => (await promise)(stream, chunk));
  return {
    ...attachment,
    subscribe: (listener) => {
      resolve(listener);
      return leave;
    },
  };
}

/** Ends without ending what others write to as well. */
function clientInput(target: Writable, closes: boolean): Writable {
  return new Writable({
    highWaterMark: 0,
    write: (chunk: Buffer, _encoding, done) => {
      // The session's end takes its stdin away: what is written then goes nowhere.
      if (target.destroyed || target.writableEnded) done();
      else if (target.write(chunk)) done();
      else void drained(target).then(() => done());
    },
    final: (done) => {
      if (closes && !target.destroyed) target.end();
      done();
    },
  });
}

/**
 * Attaches to a container's streams: to the run under way, or, before the start, to the next one.
 * @throws EngineError conflict when it is paused
 */
export function attachContainer(core: Core, reference: string, request: AttachRequest): Attachment {
  const container = findContainer(core.state.containers, reference);
  refuseRestarting(container);
  if (container.state.status === 'paused') {
    const message = `container ${reference} is paused, unpause the container before attach`;
    throw new EngineError('conflict', message);
  }
  const { spec } = container;
  const live = core.live.of(container);
  const attachment = attachTo(live.session, {
    tty: spec.tty,
    wanted: request,
    closesStdin: spec.stdinOnce && !spec.tty,
  });
  containerEvent(core, container, 'attach');
  if (!request.stream) return { ...withoutStream(attachment), ...replaying(core, container, live, request) };
  return request.logs ? { ...attachment, ...replaying(core, container, live, request) } : attachment;
}

function withoutStream({ tty }: Attachment): Pick<Attachment, 'tty'> {
  return { tty };
}

/**
 * What was said so far, the beginning of an unfinished line included, then what comes: chunks that arrive during the replay wait
 * for it. Both begin at the same instant, so that nothing is told twice or left out.
 */
function replaying(
  core: Core,
  container: Container,
  live: LiveContainer,
  { stdout, stderr, stream }: AttachRequest,
): Pick<Attachment, 'subscribe' | 'ended'> {
  const { session } = live;
  checkReadable(container);
  const path = containerPaths(core.config, core.state, container).log;
  const replayed = Promise.withResolvers<void>();
  const wants = { stdout, stderr };
  const replay = async (listener: OutputListener) => {
    const log = live.run?.log;
    const until = log?.now() ?? BigInt(Date.now()) * 1_000_000n;
    const rests = (['stdout', 'stderr'] as const).map((name) => [name, log?.rest(name)] as const);
    await log?.flush();
    for await (const record of readLog(container, path, { stdout, stderr, until, follow: false }, log)) {
      await listener(record.stream, record.line);
    }
    for (const [name, rest] of rests) if (rest !== undefined && wants[name]) await listener(name, rest);
  };
  const subscribe = (listener: OutputListener) => {
    const finished = replay(listener).finally(() => replayed.resolve());
    if (!stream) return () => undefined;
    return session.subscribe(async (name, chunk) => {
      await finished;
      if (wants[name]) await listener(name, chunk);
    });
  };
  const ended = Promise.all([replayed.promise, stream ? session.ended : undefined]).then(() => undefined);
  return { subscribe, ended };
}
