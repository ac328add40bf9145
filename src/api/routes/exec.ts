import type { Attachment } from '../../engine/attachment.ts';
import type { ExecView } from '../../engine/requests.ts';
import { errorMessage } from '../../model/errors.ts';
import { parseDetachKeys } from '../detach.ts';
import type { Exchange, Outcome } from '../exchange.ts';
import { parseExec, parseExecStart } from '../parse/exec.ts';
import { terminalSize } from '../parse/query.ts';
import type { Routes } from '../router.ts';
import { type Connection, OutputSink, pump } from '../stream.ts';
import type { EngineSurface } from '../surface.ts';
import { onTerminal } from './streams.ts';

/** Further processes in a running container: described by one request, started by the next. */
export function execRoutes(engine: EngineSurface): Routes {
  const { execs } = engine;
  return {
    'POST /containers/{*}/exec': async (exchange) => {
      const request = parseExec(await exchange.json());
      parseDetachKeys(request.detachKeys);
      const { id } = await execs.create(exchange.parameter(), request);
      return { status: 201, body: { Id: id } };
    },
    'POST /exec/{}/start': (exchange) => start(engine, exchange),
    'POST /exec/{}/resize': async (exchange) => {
      await execs.resize(exchange.parameter(), terminalSize(exchange.query));
      return { status: 200 };
    },
    'GET /exec/{}/json': (exchange) => ({ status: 200, body: renderExec(execs.inspect(exchange.parameter())) }),
  };
}

/** Unknown ids are refused while there is still HTTP to say so; after that, the stream is all there is. */
async function start({ execs }: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const request = parseExecStart(await exchange.json());
  const { id, request: exec } = execs.inspect(exchange.parameter());
  if (request.detach) {
    await execs.start(id, request);
    return { status: 200 };
  }
  // As the start asks for it, also where the process has a terminal and the client does not say so.
  const connection = await exchange.hijack(request.tty ? 'raw' : 'multiplexed');
  const attachment = await startOrTell(execs.start(id, request), connection);
  if (attachment === undefined) return 'answered';
  await pump(attachment, connection, {
    stdout: exec.attachStdout,
    stderr: exec.attachStderr,
    closeStdin: exec.attachStdin && !exec.tty,
    ...onTerminal(exec.tty, parseDetachKeys(exec.detachKeys)),
  });
  return 'answered';
}

/** The connection has left HTTP, so a failure is told where output would be, as Docker does. */
async function startOrTell(starting: Promise<Attachment>, connection: Connection): Promise<Attachment | undefined> {
  try {
    return await starting;
  } catch (thrown) {
    const sink = new OutputSink(connection.output, connection.framing);
    await sink.write('stdout', Buffer.from(`${errorMessage(thrown)}\r\n`));
    connection.output.end();
    return undefined;
  }
}

/** GET /exec/{id}/json; the CLI reads its exit code from here. */
function renderExec(view: ExecView) {
  const { request } = view;
  const [entrypoint = '', ...args] = request.command;
  return {
    ID: view.id,
    Running: view.running,
    ExitCode: view.exitCode ?? null,
    ProcessConfig: {
      tty: request.tty,
      entrypoint,
      arguments: args,
      privileged: request.privileged,
      ...(request.user === '' ? {} : { user: request.user }),
    },
    OpenStdin: request.attachStdin,
    OpenStderr: request.attachStderr,
    OpenStdout: request.attachStdout,
    CanRemove: false,
    ContainerID: view.containerId,
    DetachKeys: request.detachKeys,
    Pid: view.pid,
  };
}
