/**
 * A daemon's resolver and nothing else, for tests on a private host: makes a sandbox, serves 127.0.0.11 in it until it is
 * told to close (a line on stdin), and says what it does, a line each. Argument: ResolverSetup as JSON.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { outsideOf } from '../../src/dns/outside.ts';
import { DnsServer, type Upstream } from '../../src/dns/server.ts';
import { NetworkNamespace } from '../../src/kernel/netns.ts';
import { nftResolverRedirect } from '../../src/kernel/resolver-redirect.ts';
import { openTcpListener, openUdp } from '../../src/kernel/socket.ts';
import * as sys from '../../src/kernel/sys.ts';
import { type IpAddress, parseIpAddress } from '../../src/model/address.ts';

export interface ResolverSetup {
  /** Where the sandbox's namespace is pinned */
  readonly path: string;
  readonly names: Readonly<Record<string, readonly IpAddress[]>>;
  readonly reverse: Readonly<Record<IpAddress, string>>;
  readonly upstreams: readonly Upstream[];
  readonly forwards: boolean;
}

const setup = JSON.parse(process.argv[2] ?? '') as ResolverSetup;
const sandbox = NetworkNamespace.create(setup.path);
// Before the sockets: bound while lo is down, they would answer from 127.0.0.1
execFileSync('nsenter', [`--net=${setup.path}`, 'ip', 'link', 'set', 'lo', 'up']);
const quiet = () => undefined;
const server = new DnsServer({
  names: {
    lookup: (_, name) => setup.names[name],
    services: () => [],
    reverse: (_, address) => setup.reverse[address],
    outside: (namespace) => outsideOf(namespace, { ...setup, ndotsSet: false, search: [] }),
  },
  servicePorts: new Map(),
  logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  openSocket: (_, { protocol, family }) =>
    sandbox.run(() =>
      sys.socket(family === 4 ? sys.AF_INET : sys.AF_INET6, protocol === 'udp' ? sys.SOCK_DGRAM : sys.SOCK_STREAM, 0),
    ),
});
const before = openSockets();
const address = parseIpAddress('127.0.0.11');
const udp = openUdp(sandbox, address, 0);
const tcp = openTcpListener(sandbox, address, 0);
nftResolverRedirect(sandbox, { address, udpPort: udp.port, tcpPort: tcp.port });
server.attach('sandbox:test', { udp: udp.fd, tcp: tcp.fd });
console.log('ready');
process.stdin.once('data', () => {
  server.close();
  // The redirect's own netlink socket is closed a little later than it is used
  const deadline = Date.now() + 20_000;
  const watch = setInterval(() => {
    const leftOpen = openSockets() - before;
    if (leftOpen > 0 && Date.now() < deadline) return;
    clearInterval(watch);
    console.log(JSON.stringify({ ...server.statistics, leftOpen }));
    process.exit();
  }, 50);
});

function openSockets(): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:');
    } catch {
      return false;
    }
  }).length;
}
