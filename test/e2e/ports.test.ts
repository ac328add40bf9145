import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

const ROOT = join(import.meta.dirname, '../..');

/** A request that gives up, also as PID 1 of a container, which SIGTERM does not end. */
const fetch = (url: string) => ['sh', '-c', `timeout 30 wget -qO- ${url}; exit $?`];

describe('published ports', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const web = (...flags: string[]) => daemon.ok('run', '-d', ...flags, 'busybox', 'httpd', '-f', '-h', '/var/www');
  const onHost = (url: string, patience = 30) => daemon.host.exec(['curl', '-s', '-m', String(patience), url]);
  const onLan = (url: string, patience = 30) => daemon.host.lan(['curl', '-s', '-m', String(patience), url]);
  const served = async (answer: Promise<{ code: number }>, what: string) => assert.equal((await answer).code, 0, what);
  const silent = async (answer: Promise<{ code: number }>, what: string) =>
    assert.notEqual((await answer).code, 0, what);

  test('8080:80 answers from the LAN, the host, 127.0.0.1, another container and itself', async () => {
    await web('--name', 'web', '-p', '8080:80');
    await eventually('the server listens', async () => (await onHost('http://127.0.0.1:8080/')).code === 0);
    await served(onLan('http://192.0.2.2:8080/'), 'from the LAN');
    await served(onHost('http://192.0.2.2:8080/'), 'from the host by its address');
    await served(onHost('http://172.17.0.1:8080/'), 'from the host by the bridge’s address');
    await served(daemon.docker(['run', '--rm', 'busybox', ...fetch('http://192.0.2.2:8080/')]), 'from a neighbour');
    await served(daemon.docker(['exec', 'web', ...fetch('http://192.0.2.2:8080/')]), 'from itself');
    await daemon.ok('network', 'create', 'elsewhere');
    await served(
      daemon.docker(['run', '--rm', '--network', 'elsewhere', 'busybox', ...fetch('http://192.0.2.2:8080/')]),
      'from another network',
    );
    assert.equal(await daemon.ok('port', 'web'), '80/tcp -> 0.0.0.0:8080\n80/tcp -> [::]:8080');
    assert.match(await daemon.ok('ps', '--format', '{{.Ports}}', '--filter', 'name=web'), /0\.0\.0\.0:8080->80\/tcp/);
    await daemon.ok('rm', '-f', 'web');
    await silent(onHost('http://127.0.0.1:8080/', 3), 'after rm');
    await daemon.ok('network', 'rm', 'elsewhere');
  });

  test('the client’s address is kept for what comes from outside', async () => {
    await daemon.ok('run', '-d', '--name', 'who', '-p', '8081:80', 'busybox', 'sleep', '600');
    await daemon.inside('who', ['socat', 'TCP-LISTEN:80,fork,reuseaddr', 'SYSTEM:echo $SOCAT_PEERADDR']);
    await eventually(
      'it answers',
      async () => (await daemon.host.lan(['nc', '-w', '20', '192.0.2.2', '8081'])).stdout.trim() === '192.0.2.1',
    );
    await daemon.ok('rm', '-f', 'who');
  });

  test('sctp, single and a range, leads in from the LAN; a host without it is told that nothing is held', async () => {
    const script = join(ROOT, 'test/e2e/sctp.py');
    const flags = ['-p', '36412:36413/sctp', '-p', '5000-5001:5000-5001/sctp', '-p', '[::1]:5002:5002/sctp'];
    const made = await daemon.docker(['create', '--name', 'assoc', ...flags, 'busybox', 'sleep', '600']);
    await daemon.ok('start', 'assoc');
    const held = await daemon.host.out(['/usr/bin/python3', script, 'hold', '0.0.0.0', '36412']);
    assert.match(made.stderr, held === 'unknown' ? /The kernel has no SCTP sockets: SCTP ports are forwarded/ : /^$/);
    assert.match(held, /^(unknown|Address already in use)$/);
    assert.equal(
      await daemon.ok('port', 'assoc'),
      '5000/sctp -> 0.0.0.0:5000\n5001/sctp -> 0.0.0.0:5001\n36413/sctp -> 0.0.0.0:36412',
    );
    const inside = `nsenter -t ${await daemon.inspect('assoc', '{{.State.Pid}}')} -n nft`;
    const ports = [36412, 36413, 5001, 5002];
    await daemon.host.shell(`${inside} 'table inet seen {
      ${ports.map((port) => `counter p${port} { }`).join('\n')}
      chain input {
        type filter hook input priority 0
        ip saddr 192.0.2.1 counter name sctp dport map { ${ports.map((port) => `${port} : "p${port}"`).join(', ')} }
      }
    }'`);
    await daemon.host.lanShell(`/usr/bin/python3 ${script} 192.0.2.2 36412 5001 5002 7777`);
    const seen = `${inside} list counters table inet seen | sed -n 's/.*packets \\([0-9]*\\).*/\\1/p'`;
    await eventually('what is published arrives, once', async () => (await daemon.host.shell(seen)) === '0\n1\n1\n0');
    await daemon.ok('rm', '-f', 'assoc');
  });

  test('a port on 127.0.0.1 answers there and not from the LAN', async () => {
    await web('--name', 'private', '-p', '127.0.0.1:8082:80');
    await eventually('the server listens', async () => (await onHost('http://127.0.0.1:8082/')).code === 0);
    await silent(onLan('http://192.0.2.2:8082/', 3), 'the host’s address');
    await daemon.host.lanShell(
      'ip addr del 127.0.0.1/8 dev lo; ip route add 127.0.0.1/32 via 192.0.2.2; sysctl -qw net.ipv4.conf.all.route_localnet=1',
    );
    await silent(onLan('http://127.0.0.1:8082/', 3), 'a packet for 127.0.0.1 sent over the LAN');
    await daemon.host.lanShell('ip route del 127.0.0.1/32 via 192.0.2.2; ip addr add 127.0.0.1/8 dev lo');
    await daemon.ok('rm', '-f', 'private');
  });

  test('an address with an ephemeral port, a bare port, and -P', async () => {
    await web('--name', 'ephemeral', '-p', '192.0.2.2::80');
    const [, port] = /192\.0\.2\.2:(\d+)/.exec(await daemon.ok('port', 'ephemeral', '80')) ?? [];
    await eventually('the server listens', async () => (await onLan(`http://192.0.2.2:${port}/`)).code === 0);
    await silent(onHost(`http://127.0.0.1:${port}/`, 3), 'only on its address');
    await web('--name', 'bare', '-p', '80');
    assert.match(await daemon.ok('port', 'bare'), /^80\/tcp -> 0\.0\.0\.0:(\d+)\n80\/tcp -> \[::\]:\1$/);
    await web('--name', 'all', '-P', '--expose', '80', '--expose', '90-92/udp');
    assert.equal((await daemon.ok('port', 'all')).split('\n').length, 8);
    await daemon.ok('rm', '-f', 'ephemeral', 'bare', 'all');
  });

  test('udp, from the LAN and by 127.0.0.1, also after the container’s address changed', async () => {
    const echo = async (name: string) => {
      await daemon.ok('run', '-d', '--name', name, '-p', '5000:5000/udp', 'busybox', 'sleep', '600');
      await daemon.inside(name, ['socat', 'UDP-RECVFROM:5000,fork', 'PIPE']);
    };
    const asked = (where: 'lan' | 'exec', address: string) =>
      daemon.host[where](['sh', '-c', `echo ping | socat -t 1 - UDP:${address}:5000,sourceport=40000,reuseaddr`]);
    await echo('udp1');
    await eventually('udp from the LAN', async () => (await asked('lan', '192.0.2.2')).stdout.includes('ping'));
    await eventually('udp by loopback', async () => (await asked('exec', '127.0.0.1')).stdout.includes('ping'));
    await daemon.ok('rm', '-f', 'udp1');
    await daemon.ok('run', '-d', '--name', 'filler', 'busybox', 'sleep', '600');
    await echo('udp2');
    await eventually('udp from the same source port', async () =>
      (await asked('lan', '192.0.2.2')).stdout.includes('ping'),
    );
    await daemon.ok('rm', '-f', 'udp2', 'filler');
  });

  test('a range is one element of the firewall, and every port of it answers', async () => {
    const programs = async () => (await daemon.host.shell('ps -e')).split('\n').length;
    const before = await programs();
    await web('--name', 'range', '-p', '7000-7499:7000-7499', '-p', '7500-7503:80-83');
    assert.ok((await programs()) - before < 20, 'no process for a port');
    const table = await daemon.host.out(['nft', 'list', 'table', 'inet', 'fairway']);
    assert.match(table, /7000-7499/);
    await daemon.ok('exec', '-d', 'range', 'sh', '-c', 'nc -ll -p 7000 -e echo low & nc -ll -p 7499 -e echo high');
    await eventually(
      'the first port answers',
      async () => (await daemon.host.lan(['nc', '-w', '20', '192.0.2.2', '7000'])).stdout === 'low\n',
    );
    await eventually(
      'the last port answers',
      async () => (await daemon.host.lan(['nc', '-w', '20', '192.0.2.2', '7499'])).stdout === 'high\n',
    );
    await served(onLan('http://192.0.2.2:7500/'), 'a shifted range');
    await daemon.ok('rm', '-f', 'range');
  });

  test('fairway port: published and taken back while it runs, kept over a restart, wrong use refused', async () => {
    const fairway = (...words: string[]) => daemon.host.exec([join(ROOT, 'bin/fairway'), 'port', ...words]);
    await web('--name', 'late', '-p', '8070-8072:80-82');
    const change = async (...words: string[]) => {
      const { code, stderr } = await fairway(...words);
      assert.equal(code, 0, stderr);
    };
    await change('add', 'late', '8077:80', '8078-8079:88-89/udp');
    await eventually('the new port answers', async () => (await onLan('http://192.0.2.2:8077/')).code === 0);
    await change('rm', 'late', '8071:81');
    const shown = async () =>
      (await daemon.ok('port', 'late'))
        .split('\n')
        .filter((line) => !line.includes('::'))
        .sort();
    const expected = [
      '80/tcp -> 0.0.0.0:8070',
      '80/tcp -> 0.0.0.0:8077',
      '82/tcp -> 0.0.0.0:8072',
      '88/udp -> 0.0.0.0:8078',
      '89/udp -> 0.0.0.0:8079',
    ];
    assert.deepEqual(await shown(), expected);
    await served(onLan('http://192.0.2.2:8070/'), 'what was published before');
    await daemon.ok('restart', '-t', '0', 'late');
    assert.deepEqual(await shown(), expected);
    await change('rm', 'late', '80');
    await silent(onHost('http://127.0.0.1:8077/', 3), 'after rm');
    await daemon.ok('stop', '-t', '0', 'late');
    await change('add', 'late', '8076:80');
    await daemon.ok('start', 'late');
    await eventually('published before its start', async () => (await onLan('http://192.0.2.2:8076/')).code === 0);
    for (const [words, refusal] of [
      [['add', 'late', '8076:80'], /port 8076:80\/tcp of container "late" is published already/],
      [
        ['add', 'late', '8076:99'],
        /Bind for 0\.0\.0\.0:8076 failed: port is already allocated: container "late" has it/,
      ],
      [['rm', 'late', '1:1'], /port 1:1\/tcp of container "late" is not published/],
      [['add', 'late', 'x'], /invalid containerPort: x/],
      [['add', 'nobody', '80'], /No such container: nobody/],
    ] as const) {
      const { code, stderr } = await fairway(...words);
      assert.equal(code, 1);
      assert.match(stderr, refusal);
    }
    await daemon.ok('rm', '-f', 'late');
  });

  test('a port in use fails with Docker’s message, for a container’s and for a foreign socket', async () => {
    await web('--name', 'holder', '-p', '8090:80');
    const taken = await daemon.docker(['run', '--name', 'second', '-p', '8090:80', 'busybox', 'true']);
    assert.equal(taken.code, 125);
    assert.match(
      taken.stderr,
      /driver failed programming external connectivity on endpoint second \([0-9a-f]+\): .*Bind for 0\.0\.0\.0:8090 failed: port is already allocated/,
    );
    assert.equal(await daemon.inspect('second', '{{.State.Status}}'), 'created');
    await daemon.ok('rm', 'second');
    daemon.host.spawn(['socat', 'TCP-LISTEN:8091,fork,reuseaddr', 'EXEC:true']);
    await eventually(
      'a stranger listens',
      async () => (await daemon.host.exec(['sh', '-c', 'ss -ltn | grep :8091'])).code === 0,
    );
    const foreign = await daemon.docker(['run', '--rm', '-p', '8091:80', 'busybox', 'true']);
    assert.equal(foreign.code, 125);
    assert.match(
      foreign.stderr,
      /failed to bind host port for 0\.0\.0\.0:8091:172\.17\.0\.\d+:80\/tcp: address already in use/,
    );
    await daemon.ok('rm', '-f', 'holder');
  });

  test('a port that a stranger has in one family is refused with that family’s address', async () => {
    for (const [listen, blamed] of [
      ['TCP6-LISTEN:8094,ipv6only=1', '\\[::\\]'],
      ['TCP6-LISTEN:8095,ipv6only=0', '0\\.0\\.0\\.0'],
      ['TCP4-LISTEN:8096,bind=192.0.2.2', '0\\.0\\.0\\.0'],
    ] as const) {
      const port = Number(/\d{4}/.exec(listen));
      daemon.host.spawn(['socat', `${listen},fork,reuseaddr`, 'EXEC:true']);
      const listens = async () => (await daemon.host.exec(['sh', '-c', `ss -ltn | grep :${port}`])).code === 0;
      await eventually('a stranger listens', listens);
      const { stderr } = await daemon.docker(['run', '--rm', '-p', `${port}:80`, 'busybox', 'true']);
      const target = `172\\.17\\.0\\.\\d+:80/tcp`;
      assert.match(
        stderr,
        new RegExp(`failed to bind host port for ${blamed}:${port}:${target}: address already in use`),
      );
    }
  });

  test('a published port is really bound: the host cannot take it, in neither family, until it is free', async () => {
    await web('--name', 'bound', '-p', '8092:80');
    const take = (listen: string) => daemon.host.exec(['socat', '-T1', '-u', listen, 'EXEC:true']);
    const ways = ['TCP4-LISTEN:8092', 'TCP4-LISTEN:8092,reuseaddr', 'TCP6-LISTEN:8092,ipv6only=1,reuseaddr'];
    for (const way of ways) assert.match((await take(way)).stderr, /Address already in use/, way);
    await daemon.ok('rm', '-f', 'bound');
    for (const way of ways) assert.equal((await take(`${way},accept-timeout=0.01`)).stderr, '', way);
  });

  test('who holds the lock of iptables keeps nobody waiting', async () => {
    daemon.host.spawn(['flock', '/run/xtables.lock', 'sleep', '300']);
    const isHeld = async () => (await daemon.host.exec(['flock', '-n', '/run/xtables.lock', 'true'])).code !== 0;
    await eventually('the lock is held', isHeld);
    await web('--name', 'quick', '-p', '8097:80');
    await served(onLan('http://192.0.2.2:8097/'), 'a port that was published meanwhile');
    await daemon.ok('rm', '-f', 'quick');
    assert.ok(await isHeld());
  });

  test('the host does not become a router for others', async () => {
    assert.equal((await daemon.host.out(['sysctl', '-n', 'net.ipv4.ip_forward'])).trim(), '1');
    await daemon.host.shell(
      'ip netns add beyond; ip link add far type veth peer name near netns beyond; ip addr add 198.51.100.1/24 dev far; ip link set far up; ip netns exec beyond sh -c "ip addr add 198.51.100.2/24 dev near; ip link set near up; ip link set lo up; ip route add default via 198.51.100.1"',
    );
    await daemon.host.lanShell('ip route add 198.51.100.0/24 via 192.0.2.2');
    daemon.host.spawn(['ip', 'netns', 'exec', 'beyond', 'socat', 'TCP-LISTEN:80,fork,reuseaddr', 'EXEC:echo routed']);
    await eventually(
      'the far host answers its neighbour',
      async () => (await daemon.host.exec(['nc', '-w', '20', '198.51.100.2', '80'])).stdout === 'routed\n',
    );
    assert.notEqual((await daemon.host.lan(['nc', '-w', '2', '198.51.100.2', '80'])).stdout, 'routed\n');
  });
});
