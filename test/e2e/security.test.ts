import assert from 'node:assert/strict';
import { machine } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';

/** Numbers of system calls, x86-64 and arm64 (asm/unistd_64.h, asm-generic/unistd.h). A container may do none of these. */
const CALLS: Readonly<Record<string, readonly [x86: number, arm: number]>> = {
  keyctl: [250, 219],
  add_key: [248, 217],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  open_by_handle_at: [304, 265],
  init_module: [175, 105],
  kexec_load: [246, 104],
  mount: [165, 40],
  pivot_root: [155, 41],
  setns: [308, 268],
  unshare: [272, 97],
  swapon: [167, 224],
  reboot: [169, 142],
  settimeofday: [164, 170],
  move_mount: [429, 429],
};

/** The machine's own programs, for what busybox lacks: perl makes any system call. */
const PROGRAMS = ['/usr', '/lib', '/lib64'].flatMap((path) => ['-v', `${path}:${path}:ro`]);

describe('a container', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.host.shell(`mkdir -p /run/secret /run/payload /run/suid; echo secret > /run/secret/file; echo bad > /run/payload/file
      cp /usr/bin/cat /run/suid/cat; chmod 4755 /run/suid/cat`);
    const deny = {
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
    };
    await daemon.host.shell(`printf '%s' '${JSON.stringify(deny)}' > /run/deny.json`);
  });
  after(() => daemon[Symbol.asyncDispose]());

  const run = (flags: readonly string[], script: string) =>
    daemon.docker(['run', '--rm', ...flags, 'busybox', 'sh', '-c', script]);
  const output = async (flags: readonly string[], script: string) => (await run(flags, script)).stdout.trim();
  /** Each of these must fail; those that do not are named. */
  const succeeding = (flags: readonly string[], attempts: readonly string[]) =>
    output(
      flags,
      attempts.map((attempt) => `( ${attempt} ) >/dev/null 2>&1 && echo ${JSON.stringify(attempt)}`).join('\n'),
    );
  const perl = (flags: readonly string[], script: string) =>
    output([...flags, ...PROGRAMS], `/usr/bin/perl -e '${script}'`);

  test('mounts nothing, by whatever name', async () => {
    const attempts = [
      'mount -t tmpfs x /tmp',
      'mount -t proc x /tmp',
      'mount --bind / /tmp',
      'mount -o remount,rw /sys',
      'mount -o remount,rw /proc/sys',
      'umount /proc/sys',
      'umount /proc/kcore',
      'unshare -m true',
      'unshare -r true',
    ];
    assert.equal(await succeeding([], attempts), '');
  });

  test('reaches no device of the host', async () => {
    const disk = (await daemon.host.out(['lsblk', '-dnro', 'MAJ:MIN'])).split('\n')[0]?.replace(':', ' ');
    const attempts = [
      `mknod /tmp/disk b ${disk}; : < /tmp/disk`,
      'mknod /tmp/mem c 1 1; : < /tmp/mem',
      'mknod /tmp/log c 1 11; : < /tmp/log',
    ];
    assert.equal(await succeeding([], attempts), '');
  });

  test('changes no setting of the machine', async () => {
    const pattern = await daemon.host.out(['cat', '/proc/sys/kernel/core_pattern']);
    const attempts = [
      'echo "|/bin/sh" > /proc/sys/kernel/core_pattern',
      'echo /bin/sh > /proc/sys/kernel/modprobe',
      'echo 1 > /proc/sys/vm/panic_on_oom',
      'echo 1 > /proc/sys/net/ipv4/ip_forward',
      'echo b > /proc/sysrq-trigger',
      'echo /bin/sh > /sys/kernel/uevent_helper',
      'echo 1 > /proc/irq/default_smp_affinity',
    ];
    assert.equal(await succeeding([], attempts), '');
    assert.equal(await daemon.host.out(['cat', '/proc/sys/kernel/core_pattern']), pattern);
  });

  test('sets no release agent, and leaves its cgroup as it is', async () => {
    const attempts = [
      'mkdir /tmp/c; mount -t cgroup -o memory x /tmp/c',
      'mkdir /tmp/d; mount -t cgroup2 x /tmp/d',
      'for f in $(find /sys/fs/cgroup -name release_agent); do echo /x > $f && exit 0; done; false',
      'for f in $(find /sys/fs/cgroup -name cgroup.procs); do echo 1 > $f && exit 0; done; false',
      'for f in $(find /sys/fs/cgroup -name "memory.max" -o -name memory.limit_in_bytes); do echo -1 > $f && exit 0; done; false',
    ];
    assert.equal(await succeeding(['-m', '64m'], attempts), '');
  });

  test('makes no system call that leads out', async () => {
    const index = machine() === 'x86_64' ? 0 : 1;
    const calls = Object.entries(CALLS).map(([name, numbers]) => `${name},${numbers[index]}`);
    const script = `for (qw(${calls.join(' ')})) { my ($name, $number) = split /,/;
      my $done = syscall($number, 0, 0, 0, 0, 0); print "$name $done ", $! + 0, "\\n" unless $done == -1 && ($! == 1 || $! == 38); } print "tried"`;
    assert.equal(await perl([], script), 'tried');
  });

  test('sees and touches only its own processes', async () => {
    assert.equal(await output([], 'set -- /proc/[0-9]*; echo $#'), '1');
    const attempts = ['ls /proc/1/root/', 'cat /proc/1/environ', 'cat /proc/1/mem', 'readlink /proc/1/fd/0'];
    assert.equal(await succeeding(['--pid', 'host'], attempts), '');
    const attach = `my $done = syscall(${machine() === 'x86_64' ? 101 : 117}, 16, 1, 0, 0); print "$done ", $! + 0`;
    assert.equal(await perl(['--pid', 'host'], attach), '-1 1');
  });

  test('gets out of its root neither by chroot(2) nor by a leaked descriptor', async () => {
    const script = `mkdir "/tmp/x"; chroot "/tmp/x"; chdir ".." for 1 .. 20; chroot "."; print -e "/run/secret/file" ? "out" : "in"`;
    assert.equal(await perl([], script), 'in');
    for (const fd of [6, 7, 8, 9]) {
      const { stdout } = await run(['-w', `/proc/self/fd/${fd}`], 'cat ../../../../../../../run/secret/file');
      assert.equal(stdout, '');
    }
  });

  test('reads nothing that tells of the host', async () => {
    const lengths =
      'for f in kcore keys timer_list; do [ ! -e /proc/$f ] || wc -c < /proc/$f; done; ls -A /sys/firmware | wc -l';
    assert.match(await output([], lengths), /^(0\n)+0$/);
  });

  test('with links in its image does not lead mounts astray', async () => {
    await daemon.ok(
      'run',
      '--name',
      'maker',
      'busybox',
      'sh',
      '-c',
      'ln -s /proc /inward; ln -s /run/secret /outward; ln -s / /all',
    );
    await daemon.ok('commit', 'maker', 'sneaky');
    const into = (target: string, ...command: string[]) =>
      daemon.docker(['run', '--rm', '-v', `/run/payload:${target}`, 'sneaky', ...command]);
    assert.match((await into('/inward/sys', 'true')).stderr, /inside \/proc/);
    assert.match((await into('/all/proc/self', 'true')).stderr, /inside \/proc/);
    assert.equal((await into('/outward', 'cat', '/run/secret/file')).stdout, 'bad\n');
    assert.equal(await daemon.host.out(['cat', '/run/secret/file']), 'secret');
    await daemon.docker(['run', '--rm', '-w', '/outward/made', 'sneaky', 'pwd']);
    assert.equal(await daemon.host.out(['ls', '/run/secret']), 'file');
    await daemon.ok('rm', 'maker');
  });

  test('--security-opt no-new-privileges: a set-user-ID program gives nothing', async () => {
    const flags = ['-u', '1000', '-v', '/run/suid:/suid:ro', ...PROGRAMS];
    assert.match(await output(flags, '/suid/cat /etc/shadow'), /^root:/);
    assert.equal(await output(['--security-opt', 'no-new-privileges', ...flags], '/suid/cat /etc/shadow'), '');
  });

  test('--security-opt seccomp: the built-in profile, none, one’s own', async () => {
    const mode = 'grep Seccomp: /proc/self/status; mkdir /tmp/made && echo made';
    assert.equal(await output([], mode), 'Seccomp:\t2\nmade');
    assert.equal(await output(['--security-opt', 'seccomp=unconfined'], mode), 'Seccomp:\t0\nmade');
    assert.equal(await output(['--privileged'], mode), 'Seccomp:\t0\nmade');
    assert.equal(await output(['--security-opt', 'seccomp=/run/deny.json'], mode), 'Seccomp:\t2');
    assert.equal(await output(['--privileged', '--security-opt', 'seccomp=/run/deny.json'], mode), 'Seccomp:\t2');
  });

  test('what cannot be is refused at its creation', async () => {
    const create = async (...options: string[]) =>
      JSON.parse(
        (await daemon.api('POST', '/containers/create', { Image: 'busybox', HostConfig: { SecurityOpt: options } }))
          .body,
      );
    assert.match((await create('nonsense')).message, /invalid --security-opt 1: "nonsense"/);
    assert.match((await create('mode=x')).message, /invalid --security-opt 2: "mode=x"/);
    assert.match((await create('seccomp={')).message, /Decoding seccomp profile failed/);
    assert.equal((await create('label=disable')).message, undefined);
  });

  test('the daemon’s flags hold for containers that say nothing', async () => {
    await daemon.stop('SIGTERM');
    await daemon.start([
      '--no-new-privileges',
      '--seccomp-profile',
      '/run/deny.json',
      '--default-ulimit',
      'nofile=77:88',
    ]);
    const script = 'grep -E "NoNewPrivs|Seccomp:" /proc/self/status; ulimit -n; mkdir /tmp/x && echo made';
    assert.equal(await output([], script), 'NoNewPrivs:\t1\nSeccomp:\t2\n77');
    const own = [
      '--security-opt',
      'no-new-privileges=false',
      '--security-opt',
      'seccomp=unconfined',
      '--ulimit',
      'nofile=66',
    ];
    assert.equal(await output(own, script), 'NoNewPrivs:\t0\nSeccomp:\t0\n66\nmade');
    assert.equal(
      await output(['--privileged', '--security-opt', 'no-new-privileges=false'], script),
      'NoNewPrivs:\t0\nSeccomp:\t0\n77\nmade',
    );
    const options = await daemon.ok('info', '-f', '{{json .SecurityOptions}}');
    assert.match(options, /name=seccomp,profile=\/run\/deny\.json/);
    assert.match(options, /name=no-new-privileges/);
  });

  test('a profile that is none, and limits that cannot be, are refused at the daemon’s start', async () => {
    const program = join(import.meta.dirname, '../../bin/fairwayd');
    const start = async (...flags: string[]) => {
      const { code, stderr, stdout } = await daemon.host.exec([program, '--config-file', '/dev/null', ...flags]);
      assert.notEqual(code, 0);
      return stdout + stderr;
    };
    assert.match(await start('--seccomp-profile', '/run/nosuch'), /opening seccomp profile \(\/run\/nosuch\) failed/);
    assert.match(await start('--default-ulimit', 'nofile=2:1'), /invalid argument "nofile=2:1" for "--default-ulimit"/);
  });
});
