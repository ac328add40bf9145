/**
 * A program of the packet tests, in three parts. `peer.ts serve NAME PORT…` answers every TCP connection and UDP datagram
 * with its name and the client's address, and says "ready" when it listens; over TCP it goes on by echoing. `peer.ts probe
 * JSON` asks targets, all at once. `peer.ts talk ADDRESS PORT` is a connection between its stdin and its stdout.
 */
import { randomUUID } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { SLOWNESS } from '../shells.ts';

export interface Target {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
  /** The client's own port; any when left out */
  readonly from?: number;
  /** It shall answer: it is waited for, however slow the machine is */
  readonly awaited?: boolean;
}

/** Milliseconds until silence counts as unreachable: more than one retransmission of a lost first packet */
const PATIENCE = 1800;
/** The same of what shall answer */
const LONG_PATIENCE = 30_000 * SLOWNESS;

async function serve(name: string, ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const tcp = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (data) => socket.write(data));
      socket.write(`${name} ${plain(socket.remoteAddress)}`);
    }).listen(port, '::');
    const udp = createSocket('udp6');
    udp.on('message', (question, { address, port: client }) => {
      udp.send(`${question}${name} ${plain(address)}`, client, address);
    });
    udp.bind(port, '::');
    await Promise.all([once(tcp, 'listening'), once(udp, 'listening')]);
  }
  console.log('ready');
}

/** An IPv4 client as a socket of both families sees it is called by its IPv4 address. */
function plain(address = ''): string {
  return address.replace(/^::ffff:/, '');
}

/** @returns what the server said, or null */
function ask(target: Target): Promise<string | null> {
  const answer = target.protocol === 'tcp' ? askTcp(target) : askUdp(target);
  const patience = target.awaited === true ? LONG_PATIENCE : PATIENCE;
  const silence = new Promise<null>((resolve) => setTimeout(() => resolve(null), patience));
  return Promise.race([answer, silence]);
}

function askTcp({ address, port }: Target): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(port, address);
    socket.on('error', () => resolve(null));
    socket.on('data', (data) => resolve(String(data)));
  });
}

function askUdp({ address, port, from }: Target): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.on('error', () => resolve(null));
    // What was said to another one before, by the same port, may still be answered.
    const question = `${randomUUID()} `;
    socket.on('message', (data) => {
      if (String(data).startsWith(question)) resolve(String(data).slice(question.length));
    });
    const send = () => socket.send(question, port, address, () => undefined);
    if (from === undefined) send();
    else socket.bind(from, send);
    setInterval(send, PATIENCE / 2);
  });
}

const [mode = '', first = '', ...rest] = process.argv.slice(2);
if (mode === 'serve') await serve(first, rest.map(Number));
else if (mode === 'talk') {
  const socket = connect(Number(rest[0]), first);
  process.stdin.pipe(socket).pipe(process.stdout);
} else {
  console.log(JSON.stringify(await Promise.all((JSON.parse(first) as Target[]).map(ask))));
  process.exit();
}
