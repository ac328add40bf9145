import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { SOCKET, TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

/** Everything a failed command could leave behind. */
async function traces(daemon: TestDaemon): Promise<string> {
  return daemon.host.shell(`
    ip -o link | sed 's/.*: \\(veth[^@]*\\|br-[^:]*\\).*/\\1/' | grep -E '^(veth|br-)' || true
    ls /run/fairway/netns; ls /run/data/containers 2>/dev/null || true
    nft list table inet fairway | sed 's/handle.*//' | grep -v counter
    ss -Hltun | awk '{print $1, $5}' | sort`);
}

describe('bad input leaves no trace', () => {
  let daemon: TestDaemon;
  let clean = '';
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.ok('run', '--rm', 'busybox', 'true');
  });
  after(() => daemon[Symbol.asyncDispose]());
  beforeEach(async () => {
    // What a command before this one leaves to the background must be over.
    await eventually('nothing changes any more', async () => {
      const former = await traces(daemon);
      await sleep(250);
      clean = await traces(daemon);
      return clean === former;
    });
  });
  afterEach(async () => {
    const same = async () => (await traces(daemon)) === clean;
    await eventually('no trace is left', same).catch(async () => assert.equal(await traces(daemon), clean));
    assert.equal(await daemon.ok('ps', '-aq'), '');
  });

  const REFUSED: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['run', '--rm', '--network', 'nosuch', 'busybox', 'true'], 125, /network nosuch not found/],
    [['run', '--rm', 'busybox', 'nosuch'], 127, /exec: "nosuch": executable file not found in \$PATH/],
    [['run', '--rm', 'busybox', '/etc/passwd'], 126, /permission denied/],
    [
      ['run', '--rm', '-u', 'nobodyatall', 'busybox', 'true'],
      125,
      /unable to find user nobodyatall: no matching entries in passwd file/,
    ],
    [['run', '--rm', '-p', '99999:80', 'busybox', 'true'], 125, /invalid hostPort: 99999|invalid port/i],
    [['run', '--rm', '-p', '203.0.113.1:8080:80', 'busybox', 'true'], 125, /cannot assign requested address/],
    [
      ['run', '--rm', '--ip', '172.17.0.9', 'busybox', 'true'],
      125,
      /user specified IP address is supported on user defined networks only|user-specified IP address is supported on user-defined networks only/,
    ],
    [['run', '--rm', '--network', 'container:nosuch', 'busybox', 'true'], 125, /No such container: nosuch\.?\n/],
    [['run', '--rm', '--network', 'host', '--network', 'none', 'busybox', 'true'], 125, /./],
    [['run', '--rm', '--cap-add', 'NOSUCH', 'busybox', 'true'], 125, /invalid CapAdd/],
    [['run', '--rm', '-v', 'relative/path:/x', 'busybox', 'true'], 125, /./],
    [['run', '--rm', '-v', 'n!x:/x', 'busybox', 'true'], 125, /includes invalid characters/],
    [['run', '--rm', '--memory', '5m', 'busybox', 'true'], 125, /Minimum memory limit allowed is 6MB/],
    [['run', '--rm', '--storage-opt', 'size=1G', 'busybox', 'true'], 125, /not supported/],
    [['run', '--rm', '--restart', 'always', 'busybox', 'true'], 125, /./],
    [
      ['run', '--rm', '--mount', 'type=bind,source=/nowhere,target=/x', 'busybox', 'true'],
      125,
      /bind source path does not exist: \/nowhere/,
    ],
    [['network', 'create', '--driver', 'nosuch', 'x'], 1, /plugin "nosuch" not found/],
    [
      ['network', 'create', 'bridge'],
      1,
      /operation is not permitted on predefined bridge network|network with name bridge already exists/,
    ],
    [
      ['network', 'create', '--subnet', '10.1.2.3/24', 'x'],
      1,
      /invalid network config:\ninvalid subnet 10\.1\.2\.3\/24: it should be 10\.1\.2\.0\/24/,
    ],
    [['network', 'create', '--subnet', '172.17.0.0/24', 'x'], 1, /Pool overlaps with other one on this address space/],
    [
      ['network', 'create', '--subnet', '10.5.0.0/24', '--gateway', '10.6.0.1', 'x'],
      1,
      /no matching subnet for gateway 10\.6\.0\.1/,
    ],
    [
      ['network', 'create', '--opt', 'com.docker.network.driver.mtu=many', 'x'],
      1,
      /failed to parse com\.docker\.network\.driver\.mtu value: many/,
    ],
    [['network', 'create', '--ipv4=false', 'x'], 1, /IPv4 or IPv6 must be enabled/],
    [['network', 'rm', 'bridge'], 1, /bridge is a pre-defined network and cannot be removed/],
    [['network', 'rm', 'nosuch'], 1, /network nosuch not found/],
    [['network', 'connect', 'bridge', 'nosuch'], 1, /No such container: nosuch/],
    [['inspect', 'nosuch'], 1, /No such object: nosuch/],
    [['start', 'nosuch'], 1, /No such container: nosuch/],
    [['rm', 'nosuch'], 1, /No such container: nosuch/],
    [['volume', 'create', '-d', 'nfs', 'xx'], 1, /error looking up volume plugin nfs: plugin "nfs" not found/],
    [['search', 'busybox'], 1, /not supported/],
    [['swarm', 'init'], 1, /./],
  ];
  test('commands that are refused say why in Docker’s words', async () => {
    for (const [command, code, message] of REFUSED) {
      const finished = await daemon.docker(command);
      assert.match(finished.stderr, message, command.join(' '));
      assert.equal(finished.code, code, command.join(' '));
    }
  });

  test('requests the CLI would never send get Docker’s status', async () => {
    const create = (body: unknown) => daemon.api('POST', '/v1.50/containers/create', body);
    assert.equal((await create('{"Image": ')).status, 400);
    assert.equal((await create({ Image: 'busybox', Cmd: 'x'.repeat(5 << 20) })).status, 413);
    assert.equal((await create({ Image: 'nosuch', Cmd: ['true'] })).status, 404);
    assert.equal((await create({ Cmd: ['true'] })).status, 400);
    assert.equal((await create({ Image: 'busybox', Cmd: ['true'], HostConfig: { FutureOption: 1 } })).status, 400);
    assert.equal((await daemon.api('GET', '/v1.99/info')).status, 400);
    assert.equal((await daemon.api('GET', '/v1.10/info')).status, 400);
    assert.equal((await daemon.api('GET', '/nosuch')).status, 404);
    assert.equal((await daemon.api('POST', '/networks/create', { Name: '' })).status, 400);
  });

  test('a client that sends all of a too large body before it listens still reads why it was refused', async () => {
    const socket = connect(daemon.host.path(SOCKET));
    const size = 64 << 20;
    const head = `POST /containers/create HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: ${size}\r\n\r\n`;
    socket.write(head);
    const { promise: sent, resolve, reject } = Promise.withResolvers<void>();
    socket.write(Buffer.alloc(size, ' '), (error) => (error ? reject(error) : resolve()));
    await sent;
    assert.match(await text(socket), /^HTTP\/1\.1 413 .*request body too large/s);
  });

  test('a request that is cut off in the middle does nothing', async () => {
    const head =
      'POST /v1.50/containers/create?name=cut HTTP/1.1\\r\\nHost: d\\r\\nContent-Type: application/json\\r\\nContent-Length: 500\\r\\n\\r\\n{"Image":"busybox",';
    await daemon.host.shell(
      `printf '${head}' | timeout 1 socat -t 0.2 - UNIX-CONNECT:/run/fairway/fairway.sock || true`,
    );
    assert.equal(await daemon.ok('ps', '-aq'), '');
  });

  test('a taken name', async () => {
    await daemon.ok('create', '--name', 'taken', 'busybox');
    const second = await daemon.docker(['create', '--name', 'taken', 'busybox']);
    assert.equal(second.code, 1);
    assert.match(
      second.stderr,
      /Conflict\. The container name "\/taken" is already in use by container "?[0-9a-f]{64}"?\. You have to remove \(or rename\) that container to be able to reuse that name\./,
    );
    assert.match(
      (await daemon.docker(['create', '--name', 'bad name', 'busybox'])).stderr,
      /Invalid container name \(bad name\), only \[a-zA-Z0-9\]\[a-zA-Z0-9_\.-\] are allowed/,
    );
    await daemon.ok('rm', 'taken');
  });

  test('a network in use, and a container that runs, are not removed', async () => {
    await daemon.ok('network', 'create', 'busy');
    await daemon.ok('run', '-d', '--name', 'user', '--network', 'busy', 'busybox', 'sleep', '600');
    assert.match(
      (await daemon.docker(['network', 'rm', 'busy'])).stderr,
      /error while removing network: network busy has active endpoints \(name:"user" id:"[0-9a-f]+"\)/,
    );
    assert.match(
      (await daemon.docker(['network', 'connect', 'busy', 'user'])).stderr,
      /endpoint with name user already exists in network busy/,
    );
    assert.match(
      (await daemon.docker(['rm', 'user'])).stderr,
      /cannot remove container "?\/?user"?: container is running: stop the container before removing or force remove/,
    );
    await daemon.ok('rm', '-f', 'user');
    await daemon.ok('network', 'rm', 'busy');
  });
});
