import type { AttachRequest } from '../../engine/attachment.ts';
import type { LogQuery, LogRecord } from '../../engine/requests.ts';
import type { ContainerSpec } from '../../model/container.ts';
import { type DetachKeys, parseDetachKeys } from '../detach.ts';
import type { Exchange, Outcome } from '../exchange.ts';
import { parseMoment, queryFlag } from '../parse/query.ts';
import type { Routes } from '../router.ts';
import { invalid } from '../status.ts';
import { OutputSink, type PumpOptions, pump } from '../stream.ts';
import type { EngineSurface } from '../surface.ts';
import { handshakeFault } from '../websocket.ts';

/** A container's output, live and recorded. */
export function streamRoutes(engine: EngineSurface): Routes {
  return {
    'POST /containers/{*}/attach': (exchange) => attach(engine, exchange),
    'GET /containers/{*}/attach/ws': (exchange) => attachWebSocket(engine, exchange),
    'GET /containers/{*}/logs': (exchange) => logs(engine, exchange),
  };
}

/**
 * Comes before start for `docker run`, so the attachment waits for a process that does not exist yet. Errors are told in
 * HTTP until the connection is taken over.
 */
async function attach({ containers }: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const { container } = containers.find(exchange.parameter());
  const request = attachRequest(exchange.query);
  const options = pumpOptions(container.spec, request, exchange.query);
  const attachment = await containers.attach(container.id, request);
  const connection = await exchange.hijack(attachment.tty ? 'raw' : 'multiplexed');
  await pump(attachment, connection, options);
  return 'answered';
}

/** The same by WebSocket, where both streams come as they are (moby: container_routes.go, wsContainersAttach). */
async function attachWebSocket({ containers }: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const { container } = containers.find(exchange.parameter());
  const asked = attachRequest(exchange.query);
  // Clients before 1.42 get all of them.
  const request = exchange.since('1.42') ? asked : { ...asked, stdin: true, stdout: true, stderr: true };
  const options = pumpOptions(container.spec, request, exchange.query);
  const fault = handshakeFault(exchange.request.headers);
  // RFC 6455, 4.4: the version is told with the refusal.
  if (fault !== undefined) return { status: 400, body: { message: fault }, headers: { 'Sec-WebSocket-Version': '13' } };
  const attachment = await containers.attach(container.id, request);
  const connection = await exchange.webSocket();
  await pump(attachment, connection, options);
  return 'answered';
}

function attachRequest(query: URLSearchParams): AttachRequest {
  return {
    stdin: queryFlag(query, 'stdin'),
    stdout: queryFlag(query, 'stdout'),
    stderr: queryFlag(query, 'stderr'),
    logs: queryFlag(query, 'logs'),
    stream: queryFlag(query, 'stream'),
  };
}

/** @throws EngineError invalidArgument for detach keys that are none */
function pumpOptions(
  { tty, stdinOnce }: Pick<ContainerSpec, 'tty' | 'stdinOnce'>,
  { stdin, stdout, stderr }: AttachRequest,
  query: URLSearchParams,
): PumpOptions {
  const keys = parseDetachKeys(query.get('detachKeys') ?? '');
  // A terminal's input ends with a key, and without StdinOnce the next client finds it open.
  return { stdout, stderr, closeStdin: stdin && stdinOnce && !tty, ...onTerminal(tty, keys) };
}

/** Detach keys mean something on a terminal only. */
export function onTerminal(tty: boolean, detachKeys: DetachKeys): { detachKeys?: DetachKeys } {
  return tty ? { detachKeys } : {};
}

/** An ordinary chunked answer, framed like an attach. A client that reads slowly slows the reading of the file. */
async function logs({ containers }: EngineSurface, exchange: Exchange): Promise<Outcome> {
  const id = exchange.parameter();
  const tty = containers.isTty(id);
  const query = logQuery(exchange);
  const records = containers.logs(id, query);
  const framing = tty ? 'raw' : 'multiplexed';
  const type = exchange.since('1.42') ? `application/vnd.docker.${framing}-stream` : undefined;
  const response = exchange.open(type);
  const sink = new OutputSink(response, framing);
  const decorate = decoration(exchange.query);
  for await (const record of records) {
    if (exchange.signal.aborted) break;
    await sink.write(record.stream, decorate(record));
  }
  response.end();
  return 'answered';
}

/** @throws EngineError invalidArgument */
function logQuery({ query, signal }: Exchange): LogQuery {
  const [stdout, stderr] = [queryFlag(query, 'stdout'), queryFlag(query, 'stderr')];
  if (!stdout && !stderr) throw invalid('Bad parameters: you must choose at least one stream');
  const since = parseMoment(query.get('since') ?? '', 'since');
  const until = parseMoment(query.get('until') ?? '', 'until');
  // As in Docker, what is no number means all.
  const tail = /^\d{1,9}$/.test(query.get('tail') ?? '') ? Number(query.get('tail')) : 'all';
  return {
    stdout,
    stderr,
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    tail,
    follow: queryFlag(query, 'follow'),
    signal,
  };
}

/** What stands before each line: its time, and what log options like `labels` added. */
function decoration(query: URLSearchParams): (record: LogRecord) => Buffer {
  const timestamps = queryFlag(query, 'timestamps');
  const details = queryFlag(query, 'details');
  if (!timestamps && !details) return (record) => record.line;
  return ({ time, line, attributes }) => {
    const begin = `${timestamps ? `${fixedTime(time)} ` : ''}${details ? `${attributeText(attributes)} ` : ''}`;
    return Buffer.concat([Buffer.from(begin), line]);
  };
}

/** "env=prod,tag=web", in the order of the keys. */
function attributeText(attributes: LogRecord['attributes'] = {}): string {
  return Object.entries(attributes)
    .map(([key, value]) => `${queryEscape(key)}=${queryEscape(value)}`)
    .sort()
    .join();
}

/** As Go's url.QueryEscape. */
function queryEscape(text: string): string {
  return encodeURIComponent(text)
    .replaceAll('%20', '+')
    .replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Times in a log file end at their last digit that is not 0; clients get all nine, so that lines stand in columns. */
function fixedTime(time: string): string {
  const [, seconds, fraction = ''] = /^([^.]*?)(?:\.(\d+))?Z$/.exec(time) ?? [];
  return seconds === undefined ? time : `${seconds}.${fraction.padEnd(9, '0')}Z`;
}
