import type { ExecRequest, ExecStart } from '../../engine/requests.ts';
import { invalid } from '../status.ts';
import { Fields } from './fields.ts';

/** The body of POST /containers/{id}/exec. @throws EngineError invalidArgument */
export function parseExec(body: unknown): ExecRequest {
  const fields = new Fields(body, '');
  const request: ExecRequest = {
    command: fields.command('Cmd') ?? [],
    tty: fields.flag('Tty'),
    attachStdin: fields.flag('AttachStdin'),
    attachStdout: fields.flag('AttachStdout'),
    attachStderr: fields.flag('AttachStderr'),
    env: fields.texts('Env'),
    workingDirectory: fields.text('WorkingDir'),
    user: fields.text('User'),
    privileged: fields.flag('Privileged'),
    detachKeys: fields.text('DetachKeys'),
    ...parseSize(fields),
  };
  // Older clients name the container here again, and say already how they will start it.
  fields.ignore('Detach', 'Container');
  fields.close();
  if (request.command.length === 0) throw invalid('No exec command specified');
  return request;
}

/** The body of POST /exec/{id}/start, which may be empty; dockerode adds its own options for the connection. */
export function parseExecStart(body: unknown): ExecStart {
  const fields = new Fields(body, '');
  const start = { detach: fields.flag('Detach'), tty: fields.flag('Tty') };
  const size = parseSize(fields);
  fields.ignore('hijack', 'stdin', 'Stdin', 'AbortSignal');
  fields.close();
  return { ...start, ...size };
}

/** ConsoleSize: [rows, columns] */
function parseSize(fields: Fields): Pick<ExecStart, 'size'> {
  const [height = 0, width = 0] = fields.integers('ConsoleSize');
  return height > 0 && width > 0 ? { size: { width, height } } : {};
}
