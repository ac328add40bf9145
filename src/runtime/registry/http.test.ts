import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { ANONYMOUS } from '../../model/registry.ts';
import { Connection } from './connection.ts';
import { downloadBlob } from './download.ts';
import { HttpClient, readAnswer } from './http.ts';
import { Repository } from './repository.ts';

const never = new AbortController().signal;

async function serve(listener: RequestListener): Promise<{ server: Server; base: URL } & AsyncDisposable> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const base = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { server, base, [Symbol.asyncDispose]: stop };
}

const options = (over: { stallTimeout?: number; environment?: Record<string, string> } = {}) => ({
  stallTimeout: 30_000,
  environment: {},
  userAgent: 'Fairway/test',
  ...over,
});
const client = (base: URL, over = {}) => new HttpClient({ base, verify: true, mirror: false }, options(over));

test('a redirection to another origin does not carry the credentials along', async () => {
  const seen: (string | undefined)[] = [];
  await using storage = await serve((request, response) => {
    seen.push(request.headers.authorization);
    response.end('bytes');
  });
  await using registry = await serve((request, response) => {
    seen.push(request.headers.authorization);
    const location = request.url === '/start' ? '/again' : new URL('/blob', storage.base).href;
    response.writeHead(307, { Location: location }).end();
  });
  using http = client(registry.base);
  const url = new URL('/start', registry.base);
  const answer = await http.send({ method: 'GET', url, headers: { Authorization: 'Basic x' }, signal: never });
  assert.equal((await readAnswer(answer, 100)).toString(), 'bytes');
  assert.deepEqual(seen, ['Basic x', 'Basic x', undefined]);
});

test('redirections end some time', async () => {
  await using registry = await serve((_request, response) => response.writeHead(302, { Location: '/' }).end());
  using http = client(registry.base);
  await assert.rejects(http.send({ method: 'GET', url: registry.base, signal: never }), /stopped after 5 redirects/);
});

test('silence ends a request, and a download that stalls goes on by another connection', async () => {
  await using silent = await serve(() => undefined);
  using http = client(silent.base, { stallTimeout: 50 });
  await assert.rejects(http.send({ method: 'GET', url: silent.base, signal: never }), /Get ".*": i\/o timeout/);

  const ranges: (string | undefined)[] = [];
  await using registry = await serve((request, response) => {
    if (request.url === '/v2/') return void response.end();
    ranges.push(request.headers.range);
    if (ranges.length === 1) return void response.writeHead(200, { 'Content-Length': 10 }).write('hello');
    response.writeHead(206, { 'Content-Range': 'bytes 5-9/10' }).end('world');
  });
  const endpoint = { base: registry.base, verify: true, mirror: false };
  const patience = options();
  using connection = await Connection.open(endpoint, ANONYMOUS, patience, never);
  patience.stallTimeout = 1000;
  const repository = new Repository(connection, 'x', 'pull');
  const told: number[] = [];
  const chunks: Buffer[] = [];
  const patient = { attempts: 9, signal: never, retrying: (seconds: number) => told.push(seconds) };
  for await (const chunk of downloadBlob(repository, { digest: 'sha256:0', size: 10 }, patient)) chunks.push(chunk);
  assert.equal(Buffer.concat(chunks).toString(), 'helloworld');
  assert.deepEqual(ranges.slice(0, 2), [undefined, 'bytes=5-']);
  assert.equal(told[0], 1);
});

test('a proxy is asked for what is not on this machine', async () => {
  const seen: string[] = [];
  await using proxy = await serve((request, response) => {
    seen.push(request.url ?? '');
    response.end('by proxy');
  });
  const base = new URL('http://registry.test:5000');
  using http = client(base, { environment: { HTTP_PROXY: proxy.base.origin, NO_PROXY: 'direct.test' } });
  const answer = await http.send({ method: 'GET', url: new URL('/v2/', base), signal: never });
  assert.equal((await readAnswer(answer, 100)).toString(), 'by proxy');
  assert.deepEqual(seen, ['http://registry.test:5000/v2/']);
});

test('https goes through the proxy by CONNECT', async () => {
  await using proxy = await serve((_request, response) => response.end());
  const asked = once(proxy.server, 'connect') as Promise<[{ url?: string }, { end(text: string): void }]>;
  const base = new URL('https://registry.test');
  using http = client(base, { environment: { HTTPS_PROXY: proxy.base.origin } });
  const sent = http.send({ method: 'GET', url: base, signal: never });
  const [request, socket] = await asked;
  assert.equal(request.url, 'registry.test:443');
  socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
  await assert.rejects(sent);
});

test('an aborted request throws the signal’s reason', async () => {
  await using silent = await serve(() => undefined);
  using http = client(silent.base);
  const controller = new AbortController();
  const sent = http.send({ method: 'GET', url: silent.base, signal: controller.signal });
  controller.abort(new Error('nobody wants it'));
  await assert.rejects(sent, /nobody wants it/);
});
