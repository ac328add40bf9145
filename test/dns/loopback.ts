import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import type { Upstream } from '../../src/dns/names.ts';
import { type IpAddress, parseIpAddress } from '../../src/model/address.ts';

export const LOOPBACK: IpAddress = parseIpAddress('127.0.0.1');

/** A server on an ephemeral loopback port that answers as it is told, over UDP and TCP. */
export interface FakeServer extends AsyncDisposable {
  readonly upstream: Upstream;
  /** Queries received, by the protocol they came over */
  readonly queries: { readonly udp: Buffer[]; readonly tcp: Buffer[] };
}

/** @param answer messages sent back for a query, in order; [] is silence */
export async function fakeServer(answer: (query: Buffer) => readonly Buffer[]): Promise<FakeServer> {
  const queries = { udp: [] as Buffer[], tcp: [] as Buffer[] };
  const { udp, tcp } = await listenOnBoth();
  udp.on('message', (query, client) => {
    queries.udp.push(query);
    for (const reply of answer(query)) udp.send(reply, client.port, client.address);
  });
  tcp.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      const query = Buffer.from(chunk.subarray(2));
      queries.tcp.push(query);
      for (const reply of answer(query)) socket.write(framed(reply));
    });
  });
  return {
    upstream: { address: LOOPBACK, from: 'host', port: udp.address().port },
    queries,
    [Symbol.asyncDispose]: async () => {
      udp.close();
      tcp.close();
    },
  };
}

/** A port that is free for UDP may be somebody's for TCP: then the next one is tried. */
async function listenOnBoth(): Promise<{ udp: dgram.Socket; tcp: net.Server }> {
  for (;;) {
    const udp = dgram.createSocket('udp4').bind(0, LOOPBACK);
    await once(udp, 'listening');
    const tcp = net.createServer().listen(udp.address().port, LOOPBACK);
    try {
      await once(tcp, 'listening');
      return { udp, tcp };
    } catch (error) {
      udp.close();
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error;
    }
  }
}

/** A message as it goes over TCP. */
export function framed(message: Buffer): Buffer {
  return Buffer.concat([Buffer.of(message.length >> 8, message.length & 255), message]);
}
