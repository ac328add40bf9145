import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Builds } from '../builds.ts';
import { Buildx } from '../buildx.ts';
import { TestDaemon } from '../daemon.ts';
import { eventually, type TestHost } from '../host.ts';

/** The machine's own users and subordinate ids, so that nothing of it is seen outside. */
const ownUsers = (host: TestHost) =>
  host.shell(`set -e; cp -a /etc /run/etc; mount --bind /run/etc /etc
    useradd --system --user-group lender; echo lender:200000:65536 | tee /etc/subuid > /etc/subgid`);

/** Where the daemon keeps what is these users' */
const ROOT = '/run/data/200000.200000';

describe('--userns-remap', () => {
  let daemon: TestDaemon;
  let builds: Builds;
  before(async () => {
    daemon = await TestDaemon.create(['--userns-remap', 'lender'], ownUsers);
    builds = new Builds(daemon, ROOT);
  });
  after(() => daemon[Symbol.asyncDispose]());

  const refused = async (words: string, ...args: string[]) => {
    const { code, stderr } = await daemon.docker(args);
    assert.notEqual(code, 0, args.join(' '));
    assert.ok(stderr.includes(words), `${args.join(' ')}: ${stderr}`);
  };

  test('root in a container is another user on the host, in the process list and on the disk', async () => {
    await daemon.ok(
      'run',
      '-d',
      '--name',
      'web',
      '-v',
      'data:/data',
      'busybox',
      'sh',
      '-c',
      'touch /data/x; sleep 1000',
    );
    await eventually('it sleeps', async () => /^200000 .*sleep 1000$/m.test(await daemon.ok('top', 'web')));
    assert.equal(
      await daemon.ok('exec', 'web', 'sh', '-c', 'echo $(cat /proc/self/uid_map); id -u'),
      '0 200000 65536\n0',
    );
    const pid = await daemon.inspect('web', '{{.State.Pid}}');
    assert.match(readFileSync(daemon.host.path(`/proc/${pid}/status`), 'utf8'), /^Uid:\t200000\t200000/m);
    assert.equal(await daemon.ok('info', '-f', '{{.DockerRootDir}}'), ROOT);
    assert.ok((await daemon.ok('info', '-f', '{{.SecurityOptions}}')).includes('name=userns'));
    assert.equal(await daemon.host.shell(`stat -c %u:%g ${ROOT}/volumes/data/_data/x`), '200000:200000');
  });

  test('everything in it looks as without: files of the image, of the daemon, of volumes, users by name', async () => {
    const owners = 'stat -c "%u:%g %n" / /bin/busybox /.dockerenv /etc/hosts /etc/resolv.conf /data /data/x';
    assert.deepEqual((await daemon.ok('exec', 'web', 'sh', '-c', owners)).split('\n'), [
      ...['/', '/bin/busybox', '/.dockerenv', '/etc/hosts', '/etc/resolv.conf', '/data', '/data/x'].map(
        (p) => `0:0 ${p}`,
      ),
    ]);
    assert.equal(
      await daemon.ok('exec', '-u', 'user', 'web', 'sh', '-c', 'touch /tmp/mine; stat -c %u /tmp/mine'),
      '1000',
    );
    const all = 'mount | grep -c "^sysfs on /sys "; echo w > /dev/shm/x && stat -c %u /dev/shm/x';
    assert.equal(await daemon.ok('run', '--rm', '--ipc', 'shareable', 'busybox', 'sh', '-c', all), '1\n0');
  });

  test('it cannot read what is the host’s root’s alone, nor raise itself over a bind', async () => {
    await daemon.host.shell(
      'mkdir /run/secret; echo top > /run/secret/key; chmod 600 /run/secret/key; chmod 755 /run/secret',
    );
    const script =
      'cat /s/key; chown 0 /s/key; echo x > /s/new; mount -t tmpfs x /tmp; echo 1 > /proc/sys/kernel/panic; true';
    const { stdout, stderr } = await daemon.docker([
      'run',
      '--rm',
      '-v',
      '/run/secret:/s',
      '--cap-add',
      'SYS_ADMIN',
      'busybox',
      'sh',
      '-c',
      script,
    ]);
    assert.equal(stdout, '');
    assert.match(stderr, /can't open '\/s\/key': Permission denied/);
    assert.match(stderr, /can't create \/s\/new: Permission denied/);
    assert.match(stderr, /\/proc\/sys\/kernel\/panic: (Read-only file system|Permission denied)/);
  });

  test('networks, names, published ports, low ports and settings of the network work', async () => {
    await daemon.ok('network', 'create', '--subnet', '10.88.0.0/24', 'app');
    const server = 'while :; do echo served | nc -l -p 80; done';
    await daemon.ok(
      'run',
      '-d',
      '--name',
      'srv',
      '--network',
      'app',
      '-p',
      '8080:80',
      '-u',
      'user',
      'busybox',
      'sh',
      '-c',
      server,
    );
    const ask = ['run', '--rm', '--network', 'app', '--sysctl', 'net.core.somaxconn=99', 'busybox', 'sh', '-c'];
    const script = 'cat /proc/sys/net/core/somaxconn; nc -w 20 srv 80 < /dev/null';
    await eventually('the name leads to the server', async () => {
      return (await daemon.docker([...ask, script])).stdout === '99\nserved\n';
    });
    await eventually('the port leads to the server', async () => {
      return (await daemon.host.lan(['nc', '-w', '20', '192.0.2.2', '8080'])).stdout.includes('served');
    });
    const addresses = 'ip link add d0 type veth peer name d1 && ip addr add 10.9.9.9/24 dev d0 && ip addr show d0';
    assert.match(
      await daemon.ok('run', '--rm', '--cap-add', 'NET_ADMIN', 'busybox', 'sh', '-c', addresses),
      /10\.9\.9\.9/,
    );
    const joined = ['run', '--rm', '--network', 'container:srv', '--pid', 'container:srv', 'busybox', 'sh', '-c'];
    // Between two clients there is no nc for a moment.
    const looked = 'ls /sys/class/net; until ps | grep "[n]c -l"; do sleep 0.1; done';
    assert.match(await daemon.ok(...joined, looked), /eth0[\s\S]*nc -l/);
  });

  test('devices, the domain name, other namespaces', async () => {
    const device = 'echo x > /dev/nowhere && stat -c %F /dev/nowhere';
    const run = (...args: string[]) => daemon.ok('run', '--rm', ...args);
    assert.equal(
      await run('--device', '/dev/null:/dev/nowhere', 'busybox', 'sh', '-c', device),
      'character special file',
    );
    assert.equal(await run('--domainname', 'x.test', 'busybox', 'cat', '/proc/sys/kernel/domainname'), 'x.test');
    assert.equal(await run('--ipc', 'host', '--uts', 'host', 'busybox', 'hostname'), 'testhost');
    assert.equal(await run('--sysctl', 'kernel.msgmax=4242', 'busybox', 'cat', '/proc/sys/kernel/msgmax'), '4242');
  });

  test('cp, export, diff and commit tell the container’s owners', async () => {
    await daemon.host.shell('mkdir -p /run/in/d; echo hi > /run/in/d/f; chown -R 7:8 /run/in');
    await daemon.ok('cp', '-a', '/run/in/d', 'web:/tmp/deep');
    assert.equal(await daemon.ok('exec', 'web', 'stat', '-c', '%u:%g', '/tmp/deep/f'), '7:8');
    const cli = `docker -H ${daemon.env()['DOCKER_HOST']}`;
    const listed = await daemon.host.shell(`${cli} cp web:/tmp/deep - | tar -tv --numeric-owner`);
    assert.match(listed, /7\/8 .* deep\/f$/m);
    assert.match(await daemon.host.shell(`${cli} export web | tar -tv --numeric-owner`), /7\/8 .* tmp\/deep\/f$/m);
    assert.match(await daemon.ok('diff', 'web'), /^A \/tmp\/deep\/f$/m);
    await daemon.ok(
      'exec',
      'web',
      'sh',
      '-c',
      'cp /bin/busybox /tmp/tool; chown 12:13 /tmp/tool; chmod 4755 /tmp/tool; rm /tmp/mine',
    );
    await daemon.ok('commit', 'web', 'committed');
    const files = 'stat -c "%u:%g %a %n" /tmp/deep/f /tmp/tool; ls -A /tmp';
    assert.equal(
      await daemon.ok('run', '--rm', 'committed', 'sh', '-c', files),
      '7:8 644 /tmp/deep/f\n12:13 4755 /tmp/tool\ndeep\ntool',
    );
    const owners = await daemon.host.shell(
      `${cli} save committed | tar -xO --wildcards '*/layer.tar' 'blobs/*' 2>&- | strings | grep -c 200000 || true`,
    );
    assert.equal(owners, '0');
  });

  test('--userns=host gives the host’s users back; what needs them is refused without it', async () => {
    const map = await daemon.ok(
      'run',
      '--rm',
      '--userns',
      'host',
      '--privileged',
      '--network',
      'host',
      'busybox',
      'cat',
      '/proc/self/uid_map',
    );
    assert.match(map, /^\s+0\s+0\s+4294967295$/);
    await refused(
      'privileged mode is incompatible with user namespaces.  You must run',
      'create',
      '--privileged',
      'busybox',
    );
    await refused(
      "cannot share the host's network namespace when user namespaces are",
      'create',
      '--network',
      'host',
      'busybox',
    );
    await refused('cannot share the host PID namespace when user namespaces are', 'create', '--pid', 'host', 'busybox');
    await daemon.ok('run', '-d', '--name', 'free', '--userns', 'host', 'busybox', 'sleep', '1000');
    await refused(
      'cannot join one that runs with --userns=host',
      'run',
      '--rm',
      '--network',
      'container:free',
      'busybox',
      'true',
    );
  });

  test('docker build: commands are the remapped root’s, on the network; files have the container’s owners, in the image too', async () => {
    const folder = builds.context({
      Dockerfile: `FROM busybox AS one
RUN echo $(id -u) $(cat /proc/self/uid_map); stat -c '%u:%g %n' /bin/busybox /etc/shadow /home; ls /sys/class/net /sys/fs/cgroup; mkdir -p /d/deep; touch /d/deep/x /gone; cp /bin/busybox /tool; chown 7:8 /tool; chmod 4755 /tool; chown user /d; umask 77; echo w > /w
RUN rm -r /d /gone; mkdir /d; until nc -w 5 srv 80 < /dev/null | grep served; do :; done
COPY --chown=33:user f /f
FROM one
COPY --from=one --chown=user:user /f /user
COPY --from=one /w /tool /last/
`,
      f: 'from the context',
    });
    await daemon.host.shell(`chmod 600 ${folder}/f`);
    const told = await builds.ok('-t', 'built', '--network', 'app', folder);
    assert.match(
      told,
      /\n0 0 200000 65536\n0:0 \/bin\/busybox\n0:0 \/etc\/shadow\n0:0 \/home\n\/sys\/class\/net:\neth0\nlo\n\n\/sys\/fs\/cgroup:\n/,
    );
    assert.match(told, /\nserved\n/);
    const owners = 'stat -c "%u:%g %a %n" /w /tool /d /f /user /last/w /last/tool; ls -A /d; cat /f';
    assert.deepEqual((await daemon.ok('run', '--rm', 'built', 'sh', '-c', owners)).split('\n'), [
      '0:0 600 /w',
      '7:8 4755 /tool',
      '0:0 755 /d',
      '33:1000 600 /f',
      '1000:1000 600 /user',
      '0:0 600 /last/w',
      '7:8 4755 /last/tool',
      'from the context',
    ]);
    const kept = await daemon.host.shell(`stat -c %u:%g ${ROOT}/builds/storage/overlay/*/diff/tool`);
    assert.match(kept, /^200007:200008$/m);
    assert.equal((await builds.ok('--network', 'app', folder)).match(/Using cache/g)?.length, 5);
  });

  test('docker build by BuildKit: files come from and go to the client, secrets are the remapped root’s', async () => {
    const folder = builds.context({
      Dockerfile:
        'FROM busybox\nCOPY --chown=33:44 f /f\nRUN --mount=type=secret,id=s cat /run/secrets/s; stat -c "%u:%g %n" /f /run/secrets/s\n',
      f: 'f',
      s: 'hidden\n',
    });
    const buildx = new Buildx(daemon);
    const output = await buildx.ok('--secret', `id=s,src=${folder}/s`, '-o', '/run/remapped', folder);
    assert.match(output, /\nhidden\n33:44 \/f\n0:0 \/run\/secrets\/s\n/);
    assert.equal(await daemon.host.shell('cat /run/remapped/f'), 'f');
    await buildx.ok('--secret', `id=s,src=${folder}/s`, '-o', 'type=tar,dest=/run/remapped.tar', folder);
    assert.match(await daemon.host.shell('tar -tvf /run/remapped.tar --numeric-owner'), / 33\/44 .* f$/m);
    assert.match(await buildx.fails('--network', 'host', folder), /cannot share the host's network namespace/);
    await builds.nothingLeft();
  });

  test('docker build: a hostile command has no more rights than a container’s; the host’s network is refused', async () => {
    const folder = builds.context({
      Dockerfile: `FROM busybox
COPY key /copied
RUN cat /copied; ip -o link | wc -l; for f in /proc/sys/kernel/panic /sys/fs/cgroup/x; do echo 1 > $f; done; \\
  mount -t tmpfs x /tmp; mknod /disk b 254 0; nsenter -t 1 -m true; unshare -U true; \\
  grep CapBnd /proc/self/status; true
`,
    });
    await daemon.host.shell(`ln -s /run/secret/key ${folder}/key`);
    const link = await builds.run(folder);
    assert.match(link.stderr, /COPY failed: file not found in build context/);
    await daemon.host.shell(`rm ${folder}/key; echo own > ${folder}/key`);
    const told = await builds.ok('--network', 'none', folder);
    assert.match(told, /\nown\n1\n/);
    for (const words of [
      /panic: (Read-only file system|Permission denied)/,
      /\/sys\/fs\/cgroup\/x: Read-only file system/,
      /mount: permission denied/,
      /mknod: \/disk: Operation not permitted/,
      /nsenter: .*Operation not permitted/,
      /unshare: .*Operation not permitted/,
      /CapBnd:\s+00000000a80425fb/,
    ])
      assert.match(told, words);
    await refused("cannot share the host's network namespace", 'build', '--network', 'host', folder);
    await refused('cannot join one that runs with --userns=host', 'build', '--network', 'container:free', folder);
  });

  test('a start or a build that fails keeps no network namespace', async () => {
    const pid = await daemon.pid();
    const held = () => daemon.host.shell(`ls -l /proc/${pid}/fd | grep -c ' net:'`);
    const before = await held();
    const address = await daemon.inspect('srv', '{{.NetworkSettings.Networks.app.IPAddress}}');
    await refused('is held by "srv"', 'run', '--rm', '--network', 'app', '--ip', address, 'busybox', 'true');
    await refused(
      'network nosuch not found',
      'build',
      '--network',
      'nosuch',
      builds.context({ Dockerfile: 'FROM busybox' }),
    );
    // Meanwhile the next one is made ready.
    await eventually('they are closed', async () => (await held()) === before);
  });

  test('docker build: one whose client has gone leaves nothing; limits hold', async () => {
    const client = await builds.begin('sleep 985', '--memory', '64m');
    const limit = `find /sys/fs/cgroup -path '*/build-*/run/memory.limit_in_bytes' -o -path '*/build-*/run/memory.max'`;
    assert.equal(await daemon.host.shell(`cat $(${limit})`), String(64 << 20));
    assert.equal(await daemon.host.shell('stat -c %u /proc/$(pgrep -f "^sleep 985")'), '200000');
    await daemon.host.out(['kill', '-INT', client]);
    await builds.nothingLeft();
    await builds.nobodyWorks();
  });

  test('an image with an owner that no container can have is refused, and nothing of it stays', async () => {
    const script = 'mkdir -p /run/far; touch /run/far/f; tar -C /run/far --owner=:70000 --group=:0 -cf /run/far.tar f';
    await daemon.host.shell(script);
    await refused('Container ID 70000 cannot be mapped to a host ID', 'import', '/run/far.tar', 'far');
    assert.equal(await daemon.ok('images', '-q', 'far'), '');
  });

  test('killed and started again, the daemon takes up its containers, and new ones join them; of a build, nothing is left', async () => {
    await builds.begin('sleep 984');
    await daemon.stop('SIGKILL');
    await daemon.start();
    await builds.nothingLeft();
    await builds.nobodyWorks();
    assert.equal(await daemon.ok('exec', 'web', 'sh', '-c', 'echo $(cat /proc/self/uid_map)'), '0 200000 65536');
    assert.equal(
      await daemon.ok('run', '--rm', '--network', 'container:srv', 'busybox', 'ls', '/sys/class/net'),
      'eth0\nlo',
    );
    await daemon.ok('restart', '-t', '0', 'web');
    assert.equal(await daemon.ok('exec', 'web', 'id', '-u'), '0');
  });

  test('without it, the same daemon has its own images and containers, and leaves those alone', async () => {
    await daemon.stop('SIGKILL');
    const flags = ['--data-root', '/run/data', '--exec-root', '/run/fairway', '--config-file', '/dev/null'];
    const started = (...more: string[]) =>
      daemon.host.exec(['timeout', '60', `${process.cwd()}/bin/fairwayd`, ...flags, ...more]);
    for (const [value, words] of [
      ['ghost', 'Error during uid lookup for "ghost": getent unable to find entry "ghost" in passwd database'],
      ['4711', 'Uid 4711 has no entry in /etc/passwd'],
      ['lender:ghosts', 'Error during groupname lookup for "ghosts"'],
      ['a:b:c', 'Invalid user/group specification in --userns-remap: "a:b:c"'],
      ['daemon', 'no subuid ranges found for user "daemon"'],
    ] as const) {
      const { code, stderr } = await started('--userns-remap', value);
      assert.ok(code === 1 && stderr.includes(words), `${value}: ${stderr}`);
    }
    await daemon.start(['--userns-remap', 'default']);
    assert.equal(await daemon.host.shell('cat /etc/subuid'), 'lender:200000:65536\ndockremap:265536:65536');
    assert.equal(await daemon.ok('info', '-f', '{{.DockerRootDir}}'), '/run/data/265536.265536');
    assert.equal(await daemon.ok('ps', '-aq'), '');
  });
});
