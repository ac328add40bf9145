import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Builds } from '../builds.ts';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

describe('what builds run in', () => {
  let daemon: TestDaemon;
  let builds: Builds;
  before(async () => {
    daemon = await TestDaemon.create();
    builds = new Builds(daemon);
  });
  after(() => daemon[Symbol.asyncDispose]());
  const run = (image: string, script: string) => daemon.ok('run', '--rm', image, 'sh', '-c', script);

  const noPlaceLeft = () =>
    eventually('no network and no container is left', async () => {
      const left = await daemon.host.shell('ls /run/fairway/netns /run/data/containers');
      return left === '/run/data/containers:\n\n/run/fairway/netns:';
    });

  test('commands are on the network they are given, with its names, and leave nothing of it', async () => {
    await daemon.ok('network', 'create', 'net');
    await daemon.ok('run', '-d', '--name', 'web', '--network', 'net', 'busybox', 'httpd', '-f', '-h', '/var/www');
    const outside = daemon.host.spawnLan(['busybox', 'httpd', '-f', '-p', '192.0.2.1:80', '-h', '/etc']);
    const onNetwork = (name: string, script: string) => {
      const folder = builds.context({ Dockerfile: `FROM busybox\nRUN ${script}\n` });
      return builds.ok('--no-cache', '--network', name, '--add-host', 'extra:198.51.100.7', folder);
    };
    await eventually(
      'the neighbour serves',
      async () => (await daemon.host.exec(['curl', '-sf', 'http://192.0.2.1/hostname'])).code === 0,
    );
    const bridge = await onNetwork(
      'default',
      'wget -qO- http://192.0.2.1/hostname >/dev/null && echo out; ip route; cat /etc/hosts /etc/resolv.conf; echo >> /etc/hosts',
    );
    assert.match(bridge, /\nout\n/);
    assert.match(bridge, /default via 172\.17\.0\.1 dev eth0/);
    assert.match(bridge, /198\.51\.100\.7\s+extra/);
    assert.match(bridge, /nameserver 192\.0\.2\.1/);
    const named = await onNetwork(
      'net',
      'wget -qO- http://web/; cat /etc/resolv.conf; wget -qO- http://192.0.2.1/hostname >/dev/null && echo out',
    );
    assert.match(named, /It works/);
    assert.match(named, /nameserver 127\.0\.0\.11/);
    assert.match(named, /\nout\n/);
    assert.match(await onNetwork('container:web', 'wget -qO- http://127.0.0.1/'), /It works/);
    assert.match(await onNetwork('host', 'ip addr show docker0'), /172\.17\.0\.1/);
    assert.doesNotMatch(await onNetwork('none', 'ip -4 addr'), /eth0/);
    const missing = await builds.run('--network', 'nosuch', builds.context({ Dockerfile: 'FROM busybox\nRUN true\n' }));
    assert.match(missing.stderr, /network nosuch not found/);
    assert.equal(await daemon.ok('network', 'inspect', '-f', '{{len .Containers}}', 'net'), '1');
    await daemon.ok('rm', '-f', 'web');
    await daemon.ok('network', 'rm', 'net');
    outside.kill();
    await noPlaceLeft();
    assert.equal(
      await daemon.host.shell('nft list tables | grep -v fairway || true'),
      '',
      'nobody else has touched the firewall',
    );
  });

  test('limits and capabilities hold for commands', async () => {
    const dockerfile =
      'FROM busybox\nRUN ulimit -n; df -k /dev/shm | tail -1; grep -E "CapBnd|Seccomp:|NoNewPrivs" /proc/self/status; env | grep -ci proxy; ls -A /sys/fs/cgroup; echo 1 > /sys/fs/cgroup/x; unshare -U true; mount -t tmpfs x /tmp; true\n';
    const stdout = await builds.ok(
      '--no-cache',
      '--ulimit',
      'nofile=123:456',
      '--shm-size',
      '8m',
      '--memory',
      '256m',
      builds.context({ Dockerfile: dockerfile }),
    );
    assert.match(stdout, /\n123\n/);
    assert.match(stdout, /\s8192\s/);
    assert.match(stdout, /CapBnd:\s+00000000a80425fb\n/);
    assert.match(stdout, /Seccomp:\s+2\n/);
    assert.match(
      stdout,
      /\n0\n.*\/sys\/fs\/cgroup\/x: Read-only file system\n/,
      'no cgroups to be seen, none to be changed',
    );
    assert.match(stdout, /unshare: .*Operation not permitted\nmount: permission denied/);
  });

  test('commands have the cgroup namespace that containers have', async () => {
    const folder = builds.context({ Dockerfile: 'FROM busybox\nRUN readlink /proc/self/ns/cgroup >/namespace\n' });
    const host = await daemon.host.shell('readlink /proc/self/ns/cgroup');
    const own = /^2/.test(await daemon.ok('info', '--format', '{{.CgroupVersion}}')) ? 'private' : 'host';
    for (const mode of [own, 'private']) {
      if (mode !== own) {
        await daemon.stop('SIGTERM');
        await daemon.start(['--default-cgroupns-mode', mode]);
      }
      await builds.ok('--no-cache', '-t', 'placed', folder);
      assert.equal((await run('placed', 'cat /namespace')) === host, mode === 'host', mode);
    }
    await daemon.ok('rmi', 'placed');
  });

  test('builds go on side by side; one whose client has gone ends with all it has started', async () => {
    const client = await builds.begin('sleep 987');
    const others = ['a', 'b'].map(async (name) => {
      const folder = builds.context({ Dockerfile: `FROM busybox\nRUN echo I am ${name} | tee /name\n` });
      assert.match(await builds.ok('--no-cache', '-t', `side:${name}`, folder), new RegExp(`\nI am ${name}\n`));
    });
    await Promise.all(others);
    assert.equal((await daemon.host.exec(['pgrep', '-f', 'sleep 987'])).code, 0, 'the first still goes on');
    await daemon.host.out(['kill', '-INT', client]);
    await eventually(
      'the command is gone',
      async () => (await daemon.host.exec(['pgrep', '-f', 'sleep 987'])).code === 1,
    );
    await builds.nothingLeft();
    await builds.nobodyWorks();
    assert.equal(await run('side:a', 'cat /name'), 'I am a');
    await daemon.ok('rmi', 'side:a', 'side:b');
  });

  test('a daemon that is killed or ended in the middle leaves nothing for its successor', async () => {
    await daemon.ok('network', 'create', 'short');
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await builds.begin('sleep 986', '--network', 'short');
      await daemon.stop(signal);
      const command = async () => (await daemon.host.exec(['pgrep', '-f', 'sleep 986'])).code;
      await eventually('the command is gone', async () => (await command()) === 1);
      await daemon.start();
      await builds.nothingLeft();
      await builds.nobodyWorks();
      await noPlaceLeft();
    }
    await daemon.ok('network', 'rm', 'short');
  });

  test('the cache is counted, and can be taken away', async () => {
    const folder = builds.context({ Dockerfile: 'FROM busybox\nRUN dd if=/dev/zero of=/big bs=1M count=5\n' });
    assert.match(await builds.ok('-t', 'big', folder), /Running in/);
    const size = async () => {
      const table = await daemon.ok('system', 'df', '--format', '{{.Type}} {{.TotalCount}}');
      return Number(/^Build Cache (\d+)$/m.exec(table)?.[1]);
    };
    assert.ok((await size()) >= 2);
    assert.match(await daemon.ok('builder', 'prune', '-f'), /Total reclaimed space: [1-9]/);
    assert.equal(await size(), 0);
    assert.equal(await run('big', 'stat -c %s /big'), String(5 << 20), 'images stay');
    assert.match(await builds.ok('-t', 'big', folder), /Running in/);
    await daemon.ok('system', 'prune', '-f');
    assert.equal(await size(), 0);
    await daemon.ok('rmi', 'big');
    assert.equal((await daemon.host.exec(['ls', '/var/lib/containers'])).code, 2, 'nothing of the host’s is used');
  });
});
