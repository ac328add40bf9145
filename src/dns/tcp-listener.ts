import { once } from 'node:events';
import net from 'node:net';
import type { NamespaceName } from '../model/resource.ts';
import { LENGTH_PREFIX, withLength } from './exchange-tcp.ts';
import type { FairLimit } from './limit.ts';
import { MAX_QUERY } from './message.ts';
import type { Responder } from './responder.ts';

/** Milliseconds in which a connection must bring its next whole query */
const IDLE_TIMEOUT = 10_000;

export interface TcpOptions {
  /** Connections of all sandboxes together; one too many is closed at once */
  readonly clients: FairLimit<NamespaceName>;
  /** The socket cannot be listened on */
  readonly onError: (error: Error) => void;
}

/** Answers on a listening TCP socket, which it takes over. */
export function listenTcp(
  namespace: NamespaceName,
  fd: number,
  responder: Responder,
  { clients, onError }: TcpOptions,
): Disposable {
  const open = new Set<net.Socket>();
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    if (!clients.enter(namespace)) {
      socket.destroy();
      return;
    }
    open.add(socket);
    socket.on('close', () => {
      open.delete(socket);
      clients.leave(namespace);
    });
    // What breaks a connection is the client's affair, and it knows already
    serve(socket, namespace, responder).catch(() => socket.destroy());
  });
  server.on('error', onError);
  server.listen({ fd });
  return {
    [Symbol.dispose]: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

/** Queries are answered one after the other, so a connection never holds more than one and what its buffers hold. */
async function serve(socket: net.Socket, namespace: NamespaceName, responder: Responder): Promise<void> {
  const patience = setTimeout(() => socket.destroy(), IDLE_TIMEOUT).unref();
  socket.on('close', () => clearTimeout(patience));
  let received: Buffer = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk]);
    while (received.length >= LENGTH_PREFIX) {
      const end = LENGTH_PREFIX + received.readUInt16BE(0);
      if (end > LENGTH_PREFIX + MAX_QUERY) throw new RangeError('a query of more than 4096 bytes');
      if (received.length < end) break;
      const reply = await answer(namespace, received.subarray(LENGTH_PREFIX, end), responder);
      received = received.subarray(end);
      patience.refresh();
      if (!socket.write(withLength(reply))) await once(socket, 'drain');
    }
  }
  socket.end();
}

function answer(namespace: NamespaceName, message: Buffer, responder: Responder): Promise<Buffer> {
  return new Promise((resolve) => {
    const reply = responder.handle(namespace, message, 'tcp', resolve);
    if (reply !== undefined) resolve(reply);
  });
}
