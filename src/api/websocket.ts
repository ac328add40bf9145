import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { type Duplex, Readable, Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import { invalid } from './status.ts';

/** A message is in memory as a whole before it goes to the process. As much as a JSON body may have (body.ts). Bytes */
const LARGEST_MESSAGE = 4 * 1024 * 1024;
/** In how many pieces it may arrive: each costs some 200 bytes, whatever is in it. Segments of 1,448 bytes are 2,900. */
const MOST_PIECES = 16 * 1024;
/** RFC 6455, 7.4.1 */
const NORMAL_CLOSURE = 1000;

/** What a WebSocket carries, as streams. */
export interface WebSocketStreams {
  /** What the messages hold, one behind the other. Closed when the client is gone and all it has sent was read */
  readonly input: Readable;
  /** A message a chunk; `end()` closes the WebSocket, and what is still under way arrives before. Destroyed when the client is gone */
  readonly output: Writable;
}

/**
 * What is wrong with an opening handshake, in Docker's words (golang.org/x/net/websocket, hybi.go, ReadHandshake).
 * @returns undefined when nothing is
 */
export function handshakeFault(headers: IncomingHttpHeaders): string | undefined {
  const { upgrade = '', connection = '' } = headers;
  if (upgrade.toLowerCase() !== 'websocket' || !connection.toLowerCase().includes('upgrade')) {
    return 'not websocket protocol';
  }
  if (!headers['sec-websocket-key']) return 'mismatch challenge/response';
  return headers['sec-websocket-version'] === '13' ? undefined : 'missing or bad WebSocket Version';
}

/**
 * Answers the handshake and takes the socket over. Nothing is compressed. Who sends a message that is too large or against the
 * protocol loses the connection (1009, 1002), and so does one who sends 60 pings without reading an answer.
 * @param binary how output is marked; Docker's does not ask whether what it calls text is some
 * @throws EngineError invalidArgument, before anything was answered, when the handshake is none; Error when the client is gone
 */
export async function acceptWebSocket(
  request: IncomingMessage,
  socket: Duplex,
  binary: boolean,
): Promise<WebSocketStreams> {
  // Few ever need it: loaded by the first who does.
  const { WebSocketServer } = await import('ws');
  const limits = { maxPayload: LARGEST_MESSAGE, maxBufferedChunks: MOST_PIECES, maxFragments: MOST_PIECES };
  const server = new WebSocketServer({ noServer: true, clientTracking: false, skipUTF8Validation: true, ...limits });
  const { promise, resolve, reject } = Promise.withResolvers<WebSocketStreams>();
  server.on('wsClientError', ({ message }) => reject(invalid(message)));
  server.handleUpgrade(request, socket, Buffer.alloc(0), (webSocket) => {
    // At once: the first message may be in the socket already.
    resolve(streams(webSocket, binary));
    // Node 24 leaves a request's body in the socket, which is paused when that has been read (body.ts).
    socket.resume();
  });
  // All of that was synchronous. A socket that has closed is passed over in silence.
  reject(new Error('the client went away'));
  return promise;
}

/** A WebSocket ends its two directions together; here the input ends when it is read, so that nothing of it is lost. */
function streams(webSocket: WebSocket, binary: boolean): WebSocketStreams {
  const input = new Readable({ read: () => webSocket.resume() });
  const output = new Writable({
    // Done when the socket has taken it: a client that does not read is felt by whoever writes. Failure is the socket's end.
    write: (chunk: Buffer, _encoding, done) => webSocket.send(chunk, { binary }, () => done()),
    final: (done) => {
      webSocket.close(NORMAL_CLOSURE);
      done();
    },
  });
  webSocket.on('message', (data) => {
    if (!input.push(data)) webSocket.pause();
  });
  webSocket.on('close', () => {
    input.push(null);
    output.destroy();
  });
  // Told to the client by the code it is closed with.
  webSocket.on('error', () => undefined);
  return { input, output };
}
