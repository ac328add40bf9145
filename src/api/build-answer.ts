import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { errorMessage } from '../model/errors.ts';
import type { Exchange } from './exchange.ts';
import { drained } from './stream.ts';

/** What a quiet build has said is kept for the case that it fails, in characters: the end of it. */
const LONGEST_MEMORY = 1 << 20;

/** The body, to be read or left: what nobody reads must not keep the client from hearing the answer. */
export function contextOf({ request }: Exchange): Readable {
  const context = Readable.from(request.iterator({ destroyOnReturn: false }), { objectMode: false });
  return context.once('close', () => request.resume());
}

/** The stream of an answer: one JSON value a line, ended as Docker ends them. */
export class BuildOutput {
  readonly #exchange: Exchange;
  readonly #quiet: boolean;
  #response: ServerResponse | undefined;
  #kept = '';

  constructor(exchange: Exchange, quiet: boolean) {
    this.#exchange = exchange;
    this.#quiet = quiet;
  }

  get begun(): boolean {
    return this.#response !== undefined || this.#kept !== '';
  }

  say(text: string): void {
    if (this.#quiet) this.#kept = (this.#kept + text).slice(-LONGEST_MEMORY);
    else this.send({ stream: text });
  }

  send(value: object): void {
    this.#write(`${JSON.stringify(value)}\r\n`);
  }

  /** One line of a pull. */
  tell(line: string): void {
    if (!this.#quiet) this.#write(line);
  }

  #write(line: string): void {
    this.#response ??= this.#exchange.open('application/json');
    if (!this.#response.destroyed) this.#response.write(line);
  }

  /** Fulfilled when the client takes more, or is gone. */
  async drained(): Promise<void> {
    if (this.#response !== undefined) await drained(this.#response);
  }

  fail(thrown: unknown): void {
    if (this.#kept !== '') this.send({ stream: this.#kept });
    const message = errorMessage(thrown);
    const code = thrown instanceof Error && 'code' in thrown && Number.isInteger(thrown.code) ? Number(thrown.code) : 0;
    this.send({ errorDetail: { ...(code === 0 ? {} : { code }), message }, error: message });
  }

  end(): void {
    this.#response?.end();
  }
}
