import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';

/**
 * A program: stands before a registry on 127.0.0.1 and does what a bad network and a bad registry do.
 *
 *     node registry-proxy.ts PORT TARGET-PORT
 *
 * POST /_rules takes ProxyRule[] in place of those before, and lets go of what was held. GET /_seen tells the requests.
 */
export interface ProxyRule {
  /** A regular expression over "GET /v2/x/blobs/sha256:…" */
  readonly request: string;
  /** How often; absent: always */
  readonly times?: number;
  readonly act:
    | { readonly kind: 'cut' | 'hold'; readonly after: number }
    | { readonly kind: 'corrupt' }
    | { readonly kind: 'noRanges' }
    | {
        readonly kind: 'answer';
        readonly status: number;
        readonly headers?: Record<string, string>;
        readonly body?: string;
      };
}

export interface SeenRequest {
  readonly request: string;
  readonly range?: string;
}

const [port, target] = process.argv.slice(2).map(Number);
let rules: { rule: ProxyRule; left: number }[] = [];
let seen: SeenRequest[] = [];
let release = Promise.withResolvers<void>();

createServer((incoming, outgoing) => {
  if (incoming.url === '/_rules') void takeRules(incoming, outgoing);
  else if (incoming.url === '/_seen') outgoing.end(JSON.stringify(seen));
  else pass(incoming, outgoing);
}).listen(port, '127.0.0.1');

async function takeRules(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const given = JSON.parse(await text(incoming)) as ProxyRule[];
  rules = given.map((rule) => ({ rule, left: rule.times ?? Number.POSITIVE_INFINITY }));
  seen = [];
  release.resolve();
  release = Promise.withResolvers<void>();
  outgoing.end('taken');
}

function pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
  const name = `${incoming.method} ${incoming.url}`;
  const { range } = incoming.headers;
  seen.push({ request: name, ...(range === undefined ? {} : { range }) });
  const found = rules.find(({ rule, left }) => left > 0 && new RegExp(rule.request).test(name));
  if (found !== undefined) found.left--;
  const act = found?.rule.act;
  if (act?.kind === 'answer') {
    incoming.resume();
    outgoing.writeHead(act.status, act.headers ?? {}).end(act.body ?? '');
    return;
  }
  const headers = { ...incoming.headers };
  if (act?.kind === 'noRanges') delete headers.range;
  const forwarded = request({ host: '127.0.0.1', port: target, method: incoming.method, path: incoming.url, headers });
  forwarded.on('error', () => outgoing.destroy());
  forwarded.on('response', (answer) => void spoil(answer, outgoing, act));
  incoming.pipe(forwarded);
}

async function spoil(
  answer: IncomingMessage,
  outgoing: ServerResponse,
  act: ProxyRule['act'] | undefined,
): Promise<void> {
  outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
  let offset = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    if (act?.kind === 'corrupt' && offset === 0) chunk[chunk.length >> 1] = (chunk[chunk.length >> 1] ?? 0) ^ 1;
    const stops = (act?.kind === 'cut' || act?.kind === 'hold') && offset < act.after;
    const stop = stops ? act.after - offset : Number.POSITIVE_INFINITY;
    const written = new Promise((resolve) => outgoing.write(chunk.subarray(0, stop), resolve));
    offset += chunk.length;
    if (act?.kind === 'cut' && offset >= act.after) {
      // What was written shall leave before the connection goes.
      await written;
      outgoing.destroy();
      return;
    }
    if (act?.kind === 'hold' && chunk.length >= stop) {
      await release.promise;
      outgoing.write(chunk.subarray(stop));
    }
  }
  outgoing.end();
}
