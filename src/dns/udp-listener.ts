import { watchReadable } from '../kernel/poll.ts';
import type { NamespaceName } from '../model/resource.ts';
import type { DatagramBatch } from './datagrams.ts';
import type { Responder } from './responder.ts';

/** Batches read before other sockets of the daemon have their turn */
const BATCHES_PER_TURN = 4;

/**
 * Answers what arrives on a bound, non-blocking UDP socket until disposed; then the socket may be closed. Not `dgram`:
 * one call for 32 datagrams instead of two for each doubles the answers a second, and a flood allocates nothing.
 */
export function listenUdp(
  namespace: NamespaceName,
  fd: number,
  responder: Responder,
  datagrams: DatagramBatch,
): Disposable {
  let open = true;
  const answer = (message: Buffer, peer: Buffer): void => {
    let client = peer;
    const reply = responder.handle(namespace, message, 'udp', (late) => {
      if (open) datagrams.send(fd, late, client);
    });
    if (reply === undefined) client = Buffer.from(peer);
    else datagrams.queue(fd, reply, peer);
  };
  const watch = watchReadable(fd, () => {
    for (let batch = 0; batch < BATCHES_PER_TURN; batch++) {
      if (!datagrams.receive(fd, answer)) return;
    }
  });
  return {
    [Symbol.dispose]: () => {
      open = false;
      watch[Symbol.dispose]();
    },
  };
}
