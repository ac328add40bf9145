import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

describe('options of docker run that change what a container shares with its host', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  /** A short-lived container's output. */
  const run = (flags: readonly string[], script: string) =>
    daemon.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
  const start = (name: string, ...flags: string[]) =>
    daemon.ok('run', '-d', '--name', name, ...flags, 'busybox', 'sleep', 'infinity');
  const refusal = async (...flags: string[]) => {
    const { code, stderr } = await daemon.docker(['run', '--rm', ...flags, 'busybox', 'true']);
    assert.equal(code, 125);
    return stderr;
  };
  const inspect = (name: string, path: string) => daemon.ok('inspect', '-f', `{{json .HostConfig.${path}}}`, name);
  /** A namespace of PID 1 on the test host, which is what containers share with it. */
  const hostNamespace = (name: string) => daemon.host.out(['readlink', `/proc/1/ns/${name}`]);

  test('--ulimit, for the container and for exec', async () => {
    assert.equal(await run(['--ulimit', 'nofile=100:200'], 'ulimit -Sn; ulimit -Hn'), '100\n200');
    await start('limited', '--ulimit', 'nofile=64', '--ulimit', 'core=-1');
    assert.equal(await daemon.ok('exec', 'limited', 'sh', '-c', 'ulimit -n; ulimit -c'), '64\nunlimited');
    assert.match(await inspect('limited', 'Ulimits'), /\{"Name":"nofile","Hard":64,"Soft":64\}/);
    await daemon.ok('rm', '-f', 'limited');
  });

  test('--sysctl: the network’s before any interface, the IPC’s, and no others', async () => {
    const flags = [
      '--sysctl',
      'net.core.somaxconn=321',
      '--sysctl',
      'kernel.msgmax=9000',
      '--sysctl',
      'net.ipv4.ip_unprivileged_port_start=80',
    ];
    const out = await run(
      flags,
      'cd /proc/sys; cat net/core/somaxconn kernel/msgmax net/ipv4/ip_unprivileged_port_start',
    );
    assert.equal(out, '321\n9000\n80');
    const api = async (sysctl: string, more: object = {}) =>
      (
        await daemon.api('POST', '/containers/create', {
          Image: 'busybox',
          HostConfig: { Sysctls: { [sysctl]: '1' }, ...more },
        })
      ).body;
    assert.match(await api('kernel.core_pattern'), /is not in a separate kernel namespace/);
    assert.match(await api('net.ipv4.ip_forward', { NetworkMode: 'host' }), /not allowed in host network namespace/);
  });

  test('--shm-size and --ipc none', async () => {
    assert.match(await run(['--shm-size', '8m'], 'df -k /dev/shm | tail -1'), /^shm +8192 /);
    assert.match(await run([], 'df -k /dev/shm | tail -1'), /^shm +65536 /);
    assert.equal(await run(['--ipc', 'none'], 'test -e /dev/shm || echo none'), 'none');
  });

  test('--ipc shareable and container:, and nothing of it remains', async () => {
    await start('donor', '--ipc', 'shareable', '--shm-size', '1m');
    await daemon.ok('exec', 'donor', 'sh', '-c', 'echo hello > /dev/shm/word');
    assert.equal(
      await run(['--ipc', 'container:donor'], 'cat /dev/shm/word; readlink /proc/self/ns/ipc'),
      `hello\n${await daemon.ok('exec', 'donor', 'readlink', '/proc/self/ns/ipc')}`,
    );
    await start('closed');
    assert.match(await refusal('--ipc', 'container:closed'), /non-shareable IPC \(hint: use IpcMode:shareable/);
    assert.match(await refusal('--ipc', 'container:nosuch'), /failed to join IPC namespace: No such container: nosuch/);
    await daemon.ok('rm', '-f', 'donor', 'closed');
    await eventually(
      'the shared memory is gone',
      async () => (await daemon.host.shell('ls -A /run/fairway/shm')) === '',
    );
    assert.doesNotMatch(await daemon.host.shell('cat /proc/mounts'), /fairway\/shm/);
  });

  test('--ipc shareable outlives the daemon', async () => {
    await start('keeper', '--ipc', 'shareable');
    await daemon.stop('SIGKILL');
    await daemon.start();
    await daemon.ok('exec', 'keeper', 'sh', '-c', 'echo kept > /dev/shm/word');
    assert.equal(await run(['--ipc', 'container:keeper'], 'cat /dev/shm/word'), 'kept');
    await daemon.ok('rm', '-f', 'keeper');
  });

  test('--ipc host, --pid host, --uts host', async () => {
    const script = 'for n in ipc pid uts; do readlink /proc/self/ns/$n; done; hostname';
    const out = await run(['--ipc', 'host', '--pid', 'host', '--uts', 'host'], script);
    const wanted = await Promise.all(['ipc', 'pid', 'uts'].map(hostNamespace));
    assert.deepEqual(out.split('\n'), [...wanted, 'testhost']);
    assert.match(await run(['--pid', 'host'], 'ps'), /fairwayd/);
    assert.match(await refusal('--uts', 'host', '--hostname', 'x'), /conflicting options: hostname and the UTS mode/);
  });

  test('--pid container:', async () => {
    const id = await start('seen');
    assert.match(await run(['--pid', 'container:seen'], 'ps'), / 1 root .*sleep infinity/);
    await daemon.ok('create', '--name', 'watcher', '--pid', 'container:seen', 'busybox', 'ps');
    assert.equal(await inspect('watcher', 'PidMode'), `"container:${id}"`);
    await daemon.ok('stop', '-t', '0', 'seen');
    const failed = [500, `failed to join PID namespace: container ${id} is not running`];
    assert.deepEqual(await daemon.refusal('POST', '/v1.51/containers/watcher/start'), failed);
    await daemon.ok('rm', '-f', 'seen', 'watcher');
    assert.match(await refusal('--pid', 'container:seen'), /No such container: seen/);
  });

  test('--cgroupns, --userns host, --runtime, --isolation, --annotation', async () => {
    const host = await hostNamespace('cgroup');
    assert.equal(await run(['--cgroupns', 'host'], 'readlink /proc/self/ns/cgroup'), host);
    assert.notEqual(await run(['--cgroupns', 'private'], 'readlink /proc/self/ns/cgroup'), host);
    await start(
      'named',
      '--userns',
      'host',
      '--runtime',
      'io.containerd.runc.v2',
      '--isolation',
      'default',
      '--annotation',
      'a.b=c',
    );
    assert.equal(await inspect('named', 'Runtime'), '"io.containerd.runc.v2"');
    assert.equal(await inspect('named', 'Isolation'), '"default"');
    assert.equal(await inspect('named', 'UsernsMode'), '"host"');
    assert.equal(await inspect('named', 'Annotations'), '{"a.b":"c"}');
    const query = new URLSearchParams({ filters: JSON.stringify({ name: ['named'] }) });
    const [seen] = JSON.parse((await daemon.api('GET', `/v1.51/containers/json?${query}`)).body) as {
      HostConfig: object;
    }[];
    assert.deepEqual(seen?.HostConfig, { NetworkMode: 'bridge', Annotations: { 'a.b': 'c' } });
    await daemon.ok('rm', '-f', 'named');
    assert.match(await refusal('--runtime', 'kata'), /unknown or invalid runtime name: kata/);
  });

  test('--device: a node under another name, a folder, with limited rights; --device-cgroup-rule', async () => {
    // The kernel's log: everybody has it, and runc allows it to nobody by itself. It is opened, never written to.
    await daemon.host.shell('mkdir -p /run/nodes; cd /run/nodes; mknod one c 1 11; mknod two c 1 3; ln -s one link');
    const open = (path: string) =>
      `(: >> ${path}) 2>&- && echo write || echo no write; (: < ${path}) 2>&- && echo read || echo no read`;
    const written = await run(['--device', '/run/nodes/link:/dev/log1:w'], open('/dev/log1'));
    assert.equal(written, 'write\nno read');
    assert.equal(await run(['--device', '/run/nodes:/dev/many'], 'ls /dev/many'), 'one\ntwo');
    const own = `mknod /tmp/log c 1 11; ${open('/tmp/log')}`;
    assert.equal(await run([], own), 'no write\nno read');
    assert.equal(await run(['--device-cgroup-rule', 'c 1:11 w'], own), 'write\nno read');
    // The CLI makes 127 of whatever says "no such file".
    const missing = await daemon.docker(['run', '--rm', '--device', '/dev/nosuch', 'busybox', 'true']);
    assert.match(missing.stderr, /error gathering device information while adding custom device "\/dev\/nosuch"/);
    assert.match(await refusal('--gpus', 'all'), /--gpus.* not supported/);
  });

  test('--read-only, --security-opt systempaths=unconfined', async () => {
    assert.match(await run(['--read-only'], 'touch /x 2>&1 || echo refused'), /refused$/);
    const paths = 'grep -c " /proc/" /proc/mounts || true';
    assert.notEqual(await run([], paths), '0');
    assert.equal(await run(['--security-opt', 'systempaths=unconfined'], paths), '0');
  });

  test('--storage-opt is refused', async () => {
    assert.match(await refusal('--storage-opt', 'size=1G'), /--storage-opt .* not supported/);
  });

  test('default-ipc-mode, default-cgroupns-mode and default-shm-size of the daemon', async () => {
    const modes = { 'default-ipc-mode': 'shareable', 'default-cgroupns-mode': 'private' };
    const other = { ...modes, 'default-shm-size': '128m' };
    await daemon.host.out(['sh', '-c', 'cat >/run/daemon.json'], { input: JSON.stringify(other) });
    await daemon.stop('SIGTERM');
    await daemon.start(['--config-file', '/run/daemon.json']);
    await start('donor');
    assert.equal(await inspect('donor', 'IpcMode'), '"shareable"');
    assert.equal(await run(['--ipc', 'container:donor'], 'ls -d /dev/shm'), '/dev/shm');
    assert.equal(await inspect('donor', 'CgroupnsMode'), '"private"');
    assert.equal(await inspect('donor', 'ShmSize'), String(128 << 20));
    const size = 'df -k /dev/shm | tail -n 1 | tr -s " " | cut -d " " -f 2';
    assert.equal(await run([], size), String(128 << 10));
    assert.equal(await run(['--ipc', 'private'], size), String(128 << 10));
    assert.equal(await run(['--shm-size', '1m'], size), '1024');
    assert.notEqual(await run([], 'readlink /proc/self/ns/cgroup'), await hostNamespace('cgroup'));
    await daemon.ok('create', '--name', 'asks', '--ipc', 'private', '--cgroupns', 'host', 'busybox');
    assert.equal(await inspect('asks', 'IpcMode'), '"private"');
    assert.equal(await inspect('asks', 'CgroupnsMode'), '"host"');
    // Clients from before there was a choice expect what there was then, where there is cgroup v1.
    const { cgroupVersion } = JSON.parse(
      await daemon.ok('info', '--format', '{"cgroupVersion":{{json .CgroupVersion}}}'),
    );
    for (const [version, mode] of Object.entries({
      '1.40': cgroupVersion === '1' ? 'host' : 'private',
      1.41: 'private',
    })) {
      const { body } = await daemon.json('POST', `/v${version}/containers/create?name=of${version}`, {
        Image: 'busybox',
      });
      assert.equal(await inspect(String(body['Id']), 'CgroupnsMode'), `"${mode}"`, version);
    }
    await daemon.ok('rm', '-f', 'donor', 'asks', 'of1.40', 'of1.41');
  });
});
