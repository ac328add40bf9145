import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiServer } from '../../src/api/server.ts';
import { FakeEngine, FakeProcess } from './fake-engine.ts';

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

/** A server over a played engine, on a unix socket in a folder of its own. */
export class TestApi implements AsyncDisposable {
  readonly folder: string;
  readonly socketPath: string;
  readonly engine: FakeEngine;
  readonly server: ApiServer;

  private constructor(folder: string, tty: boolean) {
    this.folder = folder;
    this.socketPath = join(folder, 'api.sock');
    this.engine = new FakeEngine(new FakeProcess(tty));
    this.server = new ApiServer(this.engine.surface, { logger: silent, version: '0.1.0' });
  }

  static async open(options: { readonly tty: boolean } = { tty: false }): Promise<TestApi> {
    const api = new TestApi(mkdtempSync(join(tmpdir(), 'fairway-api-')), options.tty);
    await api.server.listen({ socketPath: api.socketPath });
    return api;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    rmSync(this.folder, { recursive: true });
  }

  /** One request; a string body is sent as it is, anything else as JSON. */
  ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const { socketPath } = this;
    return new Promise((resolve, reject) => {
      const json = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
      const type = json === undefined ? {} : { 'Content-Type': 'application/json' };
      const asked = request({ socketPath, method, path, headers: { ...type, ...headers } }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode: status = 0, headers: got } = response;
          resolve({ status, headers: got, text: Buffer.concat(chunks).toString() });
        });
      });
      asked.on('error', reject);
      asked.end(json);
    });
  }

  /** A request answered by a stream: its response as soon as the headers are there. */
  async open(method: string, path: string) {
    const asked = request({ socketPath: this.socketPath, method, path });
    asked.end();
    const [response] = await once(asked, 'response');
    return { asked, response };
  }

  /** A connection without any HTTP library in between. */
  async dial(): Promise<Socket> {
    const socket = connect({ path: this.socketPath, allowHalfOpen: true });
    await once(socket, 'connect');
    return socket;
  }
}

export function message(answer: Answer): string {
  return (JSON.parse(answer.text) as { message: string }).message;
}

/** What arrives until the text appears. */
export async function readUntil(socket: Socket, text: string): Promise<string> {
  let got = '';
  socket.resume();
  while (!got.includes(text)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    got += chunk.toString('latin1');
  }
  return got;
}

export async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
