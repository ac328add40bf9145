import { UnixStream } from '../../kernel/unix-stream.ts';
import { EngineError, KernelError } from '../../model/errors.ts';

/** Milliseconds: the database answers within a few; more means that it hangs. */
const PATIENCE = 2000;
const DATABASE = 'Open_vSwitch';

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
    const { result, error } = this.#ask(Buffer.from(JSON.stringify(request)));
    const results = (result ?? []) as (OperationResult | null)[];
    const failed = results.find((one) => one?.error !== undefined);
    if (error === null && failed === undefined) return results.map((one) => one ?? {});
    const reason = failed?.error === undefined ? JSON.stringify(error) : `${failed.error}: ${failed.details ?? ''}`;
    throw new EngineError('internal', `Open vSwitch refuses: ${reason}`);
  }

  #ask(request: Buffer): { readonly result?: unknown; readonly error?: unknown } {
    try {
      using stream = new UnixStream(this.#path, PATIENCE);
      stream.send(request);
      let answer = Buffer.alloc(0);
      for (;;) {
        answer = Buffer.concat([answer, stream.receive()]);
        const message = complete(answer);
        if (message !== undefined) return message;
      }
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      const message = `Cannot reach Open vSwitch at unix:${this.#path}: is it running? (${error.message})`;
      throw new EngineError('unavailable', message, { cause: error });
    }
  }
}

/** undefined while its end has not arrived. */
function complete(text: Buffer): Record<string, unknown> | undefined {
  if (
    !text
      .toString('utf8', Math.max(0, text.length - 2))
      .trimEnd()
      .endsWith('}')
  )
    return undefined;
  try {
    return JSON.parse(text.toString('utf8')) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
