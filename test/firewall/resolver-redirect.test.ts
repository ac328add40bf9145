import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { NetworkNamespace } from '../../src/kernel/netns.ts';
import { nftResolverRedirect, removeResolverRedirect } from '../../src/kernel/resolver-redirect.ts';
import { openTcpListener, openUdp } from '../../src/kernel/socket.ts';
import { parseIpAddress } from '../../src/model/address.ts';
import { eventually } from '../host.ts';

const RESOLVER = parseIpAddress('127.0.0.11');
const directory = mkdtempSync(join(tmpdir(), 'fairway-redirect-'));
const path = join(directory, 'namespace');
const resources = new AsyncDisposableStack();
let namespace: NetworkNamespace;

before(() => {
  namespace = resources.use(NetworkNamespace.create(path));
  inside('ip', 'link', 'set', 'lo', 'up');
});

after(async () => {
  await resources.disposeAsync();
  NetworkNamespace.unpin(path);
  rmSync(directory, { recursive: true });
});

function inside(...[program = '', ...rest]: string[]): string {
  return namespace.run(() => execFileSync(program, rest, { encoding: 'utf8' }));
}

/** Answers every A question with 192.0.2.`last`. */
function answer(question: Buffer, last: number): Buffer {
  const reply = Buffer.from(question.subarray(0, question.indexOf(0, 12) + 5));
  reply.writeUInt16BE(0x8400, 2); // QR, AA
  reply.writeUInt16BE(1, 6);
  reply.writeUInt16BE(0, 10);
  return Buffer.concat([reply, Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 192, 0, 2, last])]);
}

/** Opens a resolver on free ports, as a daemon does when it starts, and leads port 53 to it. */
async function resolver(last: number): Promise<AsyncDisposable> {
  const opened = { udp: openUdp(namespace, RESOLVER, 0), tcp: openTcpListener(namespace, RESOLVER, 0) };
  const udp = createSocket('udp4').bind({ fd: opened.udp.fd });
  udp.on('message', (question, client) => udp.send(answer(question, last), client.port, client.address));
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      const reply = answer(data.subarray(2), last);
      socket.end(Buffer.concat([Buffer.from([reply.length >> 8, reply.length & 255]), reply]));
    });
  }).listen({ fd: opened.tcp.fd });
  await once(tcp, 'listening');
  nftResolverRedirect(namespace, { address: RESOLVER, udpPort: opened.udp.port, tcpPort: opened.tcp.port });
  const closed = Promise.all([once(udp, 'close'), once(tcp, 'close')]);
  return {
    [Symbol.asyncDispose]: async () => {
      udp.close();
      tcp.close();
      await closed;
    },
  };
}

async function dig(server: string, ...options: string[]): Promise<string> {
  const question = ['dig', `@${server}`, 'name.test', 'A', '+short', '+time=10', '+tries=1', ...options];
  const { stdout } = await promisify(execFile)('nsenter', [`--net=${path}`, ...question]).catch((error) => error);
  return String(stdout).trim();
}

test('port 53 leads to the resolver’s sockets, over udp and tcp', async () => {
  await using _ = await resolver(1);
  assert.deepEqual(await Promise.all([dig(RESOLVER), dig(RESOLVER, '+tcp')]), ['192.0.2.1', '192.0.2.1']);
});

test('a new daemon with other ports takes over, and one table remains', async () => {
  {
    await using _ = await resolver(1);
    assert.equal(await dig(RESOLVER), '192.0.2.1');
  }
  await using _ = await resolver(2);
  assert.deepEqual(await Promise.all([dig(RESOLVER), dig(RESOLVER, '+tcp')]), ['192.0.2.2', '192.0.2.2']);
  assert.equal(inside('nft', 'list', 'ruleset').match(/notrack/g)?.length, 4);
});

test('a DNS server of the container’s own has all of port 53, and may ask the resolver', async () => {
  await using _ = await resolver(3);
  const own = ['--keep-in-foreground', '--no-resolv', '--no-hosts', '--pid-file=', '--user=root', '--local-ttl=1'];
  const listening = ['--listen-address=0.0.0.0', '--bind-interfaces', '--address=/name.test/192.0.2.99'];
  const forwarding = ['--server=127.0.0.11', '--cache-size=0'];
  const dnsmasq = spawn('nsenter', [`--net=${path}`, 'dnsmasq', ...own, ...listening, ...forwarding]);
  try {
    await eventually('dnsmasq answers', async () => (await dig('127.0.0.1')) === '192.0.2.99');
    assert.equal(await dig('127.0.0.1', '+tcp'), '192.0.2.99');
    assert.match(inside('ss', '-Hlun'), /0\.0\.0\.0:53 /);
    assert.deepEqual(await Promise.all([dig(RESOLVER), dig(RESOLVER, '+tcp')]), ['192.0.2.3', '192.0.2.3']);
    const through = await promisify(execFile)('nsenter', [`--net=${path}`, 'dig', '@127.0.0.1', 'x.test', '+short']);
    assert.equal(through.stdout.trim(), '192.0.2.3');
  } finally {
    const ended = once(dnsmasq, 'exit');
    dnsmasq.kill();
    await ended;
  }
});

test('a strict firewall of the container’s own sees nothing invalid', async () => {
  await using _ = await resolver(4);
  inside('nft', 'add table inet own; add chain inet own in { type filter hook input priority 0; }');
  inside('nft', 'add rule inet own in ct state invalid drop');
  inside('nft', 'add chain inet own out { type nat hook output priority -100; }');
  try {
    assert.deepEqual(await Promise.all([dig(RESOLVER), dig(RESOLVER, '+tcp')]), ['192.0.2.4', '192.0.2.4']);
  } finally {
    inside('nft', 'delete table inet own');
  }
});

test('nobody waits for the kernel to destroy what led to a former resolver: sockets are closed behind', async () => {
  const redirect = { address: RESOLVER, udpPort: 40_001, tcpPort: 40_002 };
  const descriptors = () => readdirSync('/proc/self/fd').length;
  const before = descriptors();
  nftResolverRedirect(namespace, redirect);
  await eventually('the socket is closed', async () => descriptors() <= before);
  const left: number[] = [];
  for (let round = 0; round < 10; round++) {
    removeResolverRedirect(namespace);
    const removed = descriptors();
    nftResolverRedirect(namespace, redirect);
    left.push(descriptors() - removed);
  }
  // A socket that is closed at once has waited; where the kernel was quick there is none left.
  assert.ok(left.includes(1), `open when the redirect is there: ${left}`);
  await eventually('all sockets are closed', async () => descriptors() <= before);
  removeResolverRedirect(namespace);
});
