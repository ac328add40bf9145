import { UnixStream } from '../../kernel/unix-stream.ts';
import { EngineError, KernelError } from '../../model/errors.ts';

/** Milliseconds: the database answers within a few; more means that it hangs. */
const PATIENCE = 2000;
const DATABASE = 'Open_vSwitch';
/** Bytes. Thousands of ports are some hundred KiB */
const MAX_ANSWER = 16 << 20;

/** One operation of a transaction, RFC 7047 section 5.2. */
export type Operation = Readonly<Record<string, unknown>>;
/** What came of one: `rows` of a select, `count` of a mutate. */
export interface OperationResult {
  readonly rows?: readonly Readonly<Record<string, unknown>>[];
  readonly count?: number;
  readonly error?: string;
  readonly details?: string;
}

/**
 * Open vSwitch's database (ovs-vswitchd.conf.db(5)), spoken to by its management protocol (RFC 7047): a JSON-RPC request on a
 * unix socket, one connection each. Synchronous, like all work on the kernel.
 */
export class Ovsdb {
  readonly #path: string;

  /** @param path of the server's socket */
  constructor(path: string) {
    this.#path = path;
  }

  /**
   * All of the operations or none. @returns a result for each
   * @throws EngineError unavailable when no server answers; internal in the server's words
   */
  transact(...operations: readonly Operation[]): OperationResult[] {
    const request = { method: 'transact', params: [DATABASE, ...operations], id: 0 };
    return readAnswer(this.#ask(Buffer.from(JSON.stringify(request))));
  }

  #ask(request: Buffer): unknown {
    try {
      using stream = new UnixStream(this.#path, PATIENCE);
      stream.send(request);
      let answer = Buffer.alloc(0);
      for (;;) {
        answer = Buffer.concat([answer, stream.receive()]);
        const message = complete(answer);
        if (message !== undefined) return message;
        if (answer.length > MAX_ANSWER) throw unreadable('it does not end');
      }
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      const message = `Cannot reach Open vSwitch at unix:${this.#path}: is it running? (${error.message})`;
      throw new EngineError('unavailable', message, { cause: error });
    }
  }
}

/** The answer to a transaction. @throws EngineError internal in the server's words, or when it is none */
export function readAnswer(message: unknown): OperationResult[] {
  const { result, error } = isObject(message) ? message : {};
  const results = Array.isArray(result) ? result.map(readResult) : [];
  const failed = results.find((one) => one.error !== undefined);
  if (failed !== undefined) throw refused(`${failed.error}: ${failed.details ?? ''}`);
  if (error !== null) throw refused(JSON.stringify(error) ?? 'no reason is given');
  return results;
}

/** What has not been tried is null. */
function readResult(value: unknown): OperationResult {
  if (value === null) return {};
  if (!isObject(value)) throw unreadable('a result is no object');
  const { rows, count, error, details } = value;
  if (rows !== undefined && !(Array.isArray(rows) && rows.every(isObject))) throw unreadable('rows are no list');
  return {
    ...(rows === undefined ? {} : { rows }),
    ...(typeof count === 'number' ? { count } : {}),
    ...(typeof error === 'string' ? { error } : {}),
    ...(typeof details === 'string' ? { details } : {}),
  };
}

function refused(why: string): EngineError {
  return new EngineError('internal', `Open vSwitch refuses: ${why}`);
}

function unreadable(why: string): EngineError {
  return new EngineError('internal', `Cannot read what Open vSwitch answers: ${why}`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** undefined while its end has not arrived. */
function complete(text: Buffer): unknown {
  if (
    !text
      .toString('utf8', Math.max(0, text.length - 2))
      .trimEnd()
      .endsWith('}')
  )
    return undefined;
  try {
    return JSON.parse(text.toString('utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
