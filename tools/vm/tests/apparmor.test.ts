import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../../../test/daemon.ts';

/** Needs a kernel with AppArmor and apparmor_parser: npm run test:vm tools/vm/tests/apparmor.test.ts */
describe('AppArmor', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create([], (host) =>
      host.shell('mount -t securityfs securityfs /sys/kernel/security || true'),
    );
  });
  after(() => daemon[Symbol.asyncDispose]());

  const SETTING = '/proc/sys/kernel/panic';
  const script = `mkdir /m; mount -t tmpfs x /m && echo mounted; echo 1 > ${SETTING} && echo written
    echo 1 > /proc/sys/net/ipv4/ip_forward && cat /proc/self/attr/current`;
  /** With rights that leave nothing but the profile in the way. */
  const attempt = (...flags: string[]) => {
    const free = ['seccomp=unconfined', 'systempaths=unconfined'].flatMap((option) => ['--security-opt', option]);
    return daemon.docker(['run', '--rm', '--cap-add', 'ALL', ...free, ...flags, 'busybox', 'sh', '-c', script]);
  };

  test('the daemon loads its profile, says so, and confines containers by it', async () => {
    assert.match(
      await daemon.host.shell('cat /sys/kernel/security/apparmor/profiles'),
      /^docker-default \(enforce\)$/m,
    );
    assert.match(await daemon.ok('info', '-f', '{{.SecurityOptions}}'), /name=apparmor/);
    await daemon.ok('run', '-d', '--name', 'web', 'busybox', 'sleep', '1000');
    assert.equal(await daemon.ok('inspect', '-f', '{{.AppArmorProfile}}', 'web'), 'docker-default');
    assert.match(await daemon.ok('exec', 'web', 'cat', '/proc/self/attr/current'), /^docker-default \(enforce\)/);
    assert.match(
      await daemon.ok('exec', 'web', 'sh', '-c', 'echo x > /tmp/f && ps && kill -0 1 && echo well'),
      /well$/,
    );
    await daemon.ok('stop', '-t', '0', 'web');
  });

  test('a container with all capabilities can neither mount nor change the machine’s settings', async () => {
    const before = await daemon.host.shell(`cat ${SETTING}`);
    const { stdout, stderr } = await attempt();
    assert.match(stdout, /^docker-default \(enforce\)/);
    assert.match(stderr, /mount: .*permission denied|mounting x on \/m failed: Permission denied/i);
    assert.match(stderr, /can't create \/proc\/sys\/kernel\/panic: Permission denied/);
    assert.equal(await daemon.host.shell(`cat ${SETTING}`), before);
  });

  test('unconfined and privileged containers are not held, and show what they are', async () => {
    assert.match((await attempt('--security-opt', 'apparmor=unconfined')).stdout, /^mounted\nwritten\nunconfined/);
    assert.match((await attempt('--privileged')).stdout, /^mounted\nwritten\nunconfined/);
    await daemon.ok('create', '--name', 'free', '--privileged', 'busybox');
    assert.equal(await daemon.ok('inspect', '-f', '{{.AppArmorProfile}}', 'free'), 'unconfined');
  });

  test('a profile of the administrator holds; one that is not loaded is refused', async () => {
    const mine =
      'profile mine flags=(attach_disconnected) { network, capability, file, umount, mount, signal, deny /tmp/no w, }';
    await daemon.host.out(['apparmor_parser', '--replace', '--skip-cache'], { input: mine });
    const writing = ['sh', '-c', 'cat /proc/self/attr/current; echo x > /tmp/no'];
    const own = await daemon.docker(['run', '--rm', '--security-opt', 'apparmor=mine', 'busybox', ...writing]);
    assert.match(own.stdout, /^mine \(enforce\)/);
    assert.match(own.stderr, /can't create \/tmp\/no: Permission denied/);
    const absent = await daemon.docker(['run', '--rm', '--security-opt', 'apparmor=nosuch', 'busybox', 'true']);
    assert.notEqual(absent.code, 0);
    assert.match(absent.stderr, /apparmor/i);
  });
});
