/**
 * Asks 127.0.0.11:53 of the network namespace it runs in for SECONDS, with OUTSTANDING questions under way, each for the address of
 * c0.DOMAIN, c1.DOMAIN … of NAMES names; prints its figures as JSON. node bench/dns-load.ts SECONDS OUTSTANDING DOMAIN NAMES
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { IncomingDatagrams, OutgoingDatagrams } from '../src/dns/datagrams.ts';
import { watchReadable } from '../src/kernel/poll.ts';
import { socketAddress } from '../src/kernel/socket.ts';
import * as sys from '../src/kernel/sys.ts';
import { parseIpAddress } from '../src/model/address.ts';

const RESOLVER = parseIpAddress('127.0.0.11');
const LOOPBACK = parseIpAddress('127.0.0.1');
/** Milliseconds before the figures count */
const WARM_UP = 500;

/** What it prints. Delays in µs */
export interface Figures {
  /** In `seconds`, and with those of the time before */
  readonly answers: number;
  readonly total: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly lost: number;
}

/** Keeps `outstanding` queries under way and measures each from sending to answer. */
async function load(seconds: number, outstanding: number, domain: string, names: number): Promise<void> {
  const socket = sys.socket(sys.AF_INET, sys.SOCK_DGRAM, 0);
  sys.bind(socket, socketAddress(LOOPBACK, 0), 'bind the load');
  const server = socketAddress(RESOLVER, 53);
  const [incoming, outgoing] = [new IncomingDatagrams(512), new OutgoingDatagrams(512)];
  const sent = new Float64Array(outstanding);
  const delays: number[] = [];
  let [total, lost, counting, next] = [0, 0, false, 0];
  const ask = (id: number): void => {
    sent[id] = performance.now();
    outgoing.queue(socket, query(id, [`c${next++ % names}`, domain]), server);
  };
  const receive = (): void => {
    incoming.receive(socket, (reply) => {
      const id = reply.readUInt16BE(0);
      if (counting) delays.push(performance.now() - (sent[id] ?? 0));
      total++;
      ask(id);
    });
    outgoing.flush();
  };
  using _watch = watchReadable(socket, receive);
  for (let id = 0; id < outstanding; id++) ask(id);
  const repair = setInterval(() => {
    for (let id = 0; id < outstanding; id++) {
      if (performance.now() - (sent[id] ?? 0) < 500) continue;
      lost++;
      ask(id);
    }
  }, 100);
  await sleep(WARM_UP);
  counting = true;
  await sleep(seconds * 1_000);
  clearInterval(repair);
  delays.sort((a, b) => a - b);
  const at = (part: number): number => Math.round((delays[Math.floor(delays.length * part)] ?? 0) * 1_000);
  const figures: Figures = { answers: delays.length, total, seconds, p50: at(0.5), p99: at(0.99), lost };
  console.log(JSON.stringify(figures));
}

/** A question for the address of a name, recursion desired. */
function query(id: number, labels: readonly string[]): Buffer {
  const name = labels.map((label) => String.fromCharCode(label.length) + label).join('');
  const message = Buffer.alloc(12 + name.length + 5);
  message.writeUInt16BE(id, 0);
  message.writeUInt16BE(0x0100, 2);
  message.writeUInt16BE(1, 4);
  message.write(`${name}\0\0\u0001\0\u0001`, 12, 'latin1');
  return message;
}

const [seconds = '2', outstanding = '64', domain = '', names = '1'] = process.argv.slice(2);
await load(Number(seconds), Number(outstanding), domain, Number(names));
