import { watchReadable } from '../kernel/poll.ts';
import type { NamespaceName } from '../model/resource.ts';
import type { IncomingDatagrams, OutgoingDatagrams } from './datagrams.ts';
import type { Responder } from './responder.ts';

/** Batches read before other sockets of the daemon have their turn */
const BATCHES_PER_TURN = 4;

export interface UdpBuffers {
  readonly incoming: IncomingDatagrams;
  readonly outgoing: OutgoingDatagrams;
}

/**
 * Answers what arrives on a bound, non-blocking UDP socket until disposed; then the socket may be closed. Not `dgram`:
 * one call for 32 datagrams instead of two for each doubles the answers a second, and a flood allocates nothing.
 */
export function listenUdp(
  namespace: NamespaceName,
  fd: number,
  responder: Responder,
  { incoming, outgoing }: UdpBuffers,
): Disposable {
  let open = true;
  const answer = (message: Buffer, peer: Buffer): void => {
    let client = peer;
    const reply = responder.handle(namespace, message, 'udp', (late) => {
      if (open) outgoing.queue(fd, late, client);
    });
    if (reply === undefined) client = Buffer.from(peer);
    else outgoing.queue(fd, reply, peer);
  };
  const receive = (): boolean => {
    try {
      return incoming.receive(fd, answer);
    } catch {
      // A passing trouble (no memory), or a client that is gone already: the next call goes on behind it
      return true;
    } finally {
      outgoing.flush();
    }
  };
  const watch = watchReadable(fd, () => {
    for (let batch = 0; batch < BATCHES_PER_TURN; batch++) if (!receive()) return;
  });
  return {
    [Symbol.dispose]: () => {
      open = false;
      outgoing.forget(fd);
      watch[Symbol.dispose]();
    },
  };
}
