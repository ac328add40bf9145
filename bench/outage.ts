/**
 * Asks again and again until its input ends, and prints the longest time without an answer, in milliseconds; "begun" with the
 * first one. node bench/outage.ts names NAME asks 127.0.0.11 for the address of NAME; port ADDRESS:PORT connects: there it is
 * the longest time from a client's first try to its connection, since on a busy machine our own pauses grow.
 */
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds between two questions, and how long a connection is waited for */
const PAUSE = 5;
const PATIENCE = 100;

const [what, target = ''] = process.argv.slice(2);
let begun = false;
let longest = 0;

/** @param since milliseconds, of performance.now() */
function answered(since: number): void {
  if (!begun) console.log('begun');
  else longest = Math.max(longest, performance.now() - since);
  begun = true;
}

let over = false;
process.stdin.resume().once('end', () => {
  over = true;
});
if (what === 'names') await askForNames();
else await connectToPort();
console.log(Math.round(longest));

async function askForNames(): Promise<void> {
  let last = performance.now();
  const socket = createSocket('udp4').on('message', () => {
    answered(last);
    last = performance.now();
  });
  // Nobody listens for a moment: the next question asks again.
  socket.on('error', () => undefined);
  const name = `${String.fromCharCode(target.length)}${target}\0`;
  const question = Buffer.from(`\0\0\u0001\0\0\u0001\0\0\0\0\0\0${name}\0\u0001\0\u0001`, 'latin1');
  for (let id = 0; !over; await sleep(PAUSE)) {
    question.writeUInt16BE(id++ & 0xffff, 0);
    socket.send(question, 53, '127.0.0.11');
  }
  socket.close();
}

async function connectToPort(): Promise<void> {
  const [host = '', port] = target.split(':');
  let first: number | undefined;
  for (; !over; await sleep(PAUSE)) {
    first ??= performance.now();
    const since = first;
    await new Promise<void>((resolve) => {
      const socket = connect({ host, port: Number(port), timeout: PATIENCE });
      socket.on('connect', () => {
        answered(since);
        first = undefined;
      });
      for (const event of ['connect', 'timeout', 'error']) socket.on(event, () => void socket.destroy());
      socket.on('close', () => resolve());
    });
  }
}
