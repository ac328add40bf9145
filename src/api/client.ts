import type { EngineStatus, PlanLine } from '../engine/system-views.ts';
import { EngineError } from '../model/errors.ts';
import { http } from '../model/http.ts';

export interface ClientOptions {
  readonly socketPath: string;
  /** Milliseconds until an answer is given up; 30,000 unless told */
  readonly timeout?: number;
}

const TIMEOUT_MS = 30_000;

/** What `fairway` asks the daemon, over its unix socket. */
export class ApiClient {
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** @throws as `ask` */
  async status(): Promise<EngineStatus> {
    return (await this.ask('GET', '/fairway/status')) as EngineStatus;
  }

  /** What a reconcile would do now: one line a step, none when the kernel agrees. @throws as `ask` */
  async plan(): Promise<PlanLine[]> {
    return (await this.ask('GET', '/fairway/plan')) as PlanLine[];
  }

  /**
   * One connection a question: `fairway` asks once and ends.
   * @param body sent as JSON
   * @returns what the daemon's JSON says; undefined when it has nothing to say
   * @throws EngineError unavailable when no daemon answers; else with the daemon's words
   */
  ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
    const { socketPath, timeout = TIMEOUT_MS } = this.#options;
    return new Promise((resolve, reject) => {
      const unreachable = (error: Error) =>
        reject(
          new EngineError(
            'unavailable',
            `Cannot connect to the Fairway daemon at unix://${socketPath}. Is it running? (${error.message})`,
            { cause: error },
          ),
        );
      const data = body === undefined ? '' : JSON.stringify(body);
      const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
      const headers = { Host: 'fairway', Connection: 'close', 'Content-Length': Buffer.byteLength(data), ...type };
      const asked = http().request({ socketPath, method, path, timeout, headers });
      asked.once('error', unreachable);
      asked.once('timeout', () => asked.destroy(new Error(`no answer within ${timeout} ms`)));
      asked.once('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', unreachable);
        response.once('end', () => answer(response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8')));
      });
      const answer = (status: number, text: string) => {
        try {
          const said: unknown = text === '' ? undefined : JSON.parse(text);
          if (status >= 200 && status < 300) resolve(said);
          else reject(new EngineError('internal', messageOf(said)));
        } catch (error) {
          unreachable(error instanceof Error ? error : new Error(String(error)));
        }
      };
      asked.end(data);
    });
  }
}

/** The daemon's own words: { "message": "…" }. */
function messageOf(body: unknown): string {
  const message = typeof body === 'object' && body !== null && 'message' in body ? body.message : undefined;
  return typeof message === 'string' ? message : 'the daemon gave no reason';
}
