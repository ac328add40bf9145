import net from 'node:net';
import { DNS_PORT, type Exchange, type Outgoing, type RandomIds, type Settle, withId } from './exchange.ts';
import { isReplyTo } from './message.ts';
import type { OpenSocket, Upstream } from './names.ts';
import { openToward, plainAddress } from './upstream-address.ts';

/** Two bytes of length before each message (RFC 1035 section 4.2.2) */
export const LENGTH_PREFIX = 2;

/**
 * One query over a connection of its own.
 * @throws when no socket can be had in the namespace
 */
export function askOverTcp(
  upstream: Upstream,
  outgoing: Outgoing,
  io: { readonly openSocket: OpenSocket; readonly ids: RandomIds },
  settle: Settle,
): Exchange {
  const id = io.ids.take();
  const socket = openConnection(upstream, outgoing, io.openSocket);
  let received: Buffer = Buffer.alloc(0);
  const finish = (reply: Buffer | undefined): void => {
    socket.removeAllListeners('data').removeAllListeners('close').destroy();
    settle(reply);
  };
  socket.on('error', () => undefined);
  socket.on('close', () => finish(undefined));
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const reply = wholeMessage(received);
    if (reply === undefined) return;
    finish(isReplyTo(reply, outgoing.message, outgoing.questionEnd, id) ? reply : undefined);
  });
  socket.write(withLength(withId(outgoing.message, id)));
  return { cancel: () => socket.removeAllListeners('data').removeAllListeners('close').destroy() };
}

function openConnection(upstream: Upstream, outgoing: Outgoing, openSocket: OpenSocket): net.Socket {
  const socket = new net.Socket({ fd: openToward(upstream, outgoing.namespace, 'tcp', openSocket) });
  return socket.connect(upstream.port ?? DNS_PORT, plainAddress(upstream));
}

/** A message as it goes over TCP. */
export function withLength(message: Buffer): Buffer {
  const framed = Buffer.allocUnsafe(LENGTH_PREFIX + message.length);
  framed.writeUInt16BE(message.length);
  message.copy(framed, LENGTH_PREFIX);
  return framed;
}

/** The first message of a stream, when it is there to its last byte. */
function wholeMessage(received: Buffer): Buffer | undefined {
  if (received.length < LENGTH_PREFIX) return undefined;
  const end = LENGTH_PREFIX + received.readUInt16BE(0);
  return received.length < end ? undefined : received.subarray(LENGTH_PREFIX, end);
}
