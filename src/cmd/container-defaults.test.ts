import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommandLine } from './command-line.ts';
import { parseContainerDefaults } from './container-defaults.ts';

const given = { ulimits: [], noNewPrivileges: false, seccompProfile: 'builtin' };

test('--no-new-privileges is a flag of its own, not the end of another one', () => {
  assert.deepEqual(parseCommandLine(['--no-new-privileges'], '1'), { given: { noNewPrivileges: 'true' } });
  assert.deepEqual(parseCommandLine([], '1'), { given: {} });
});

test('ulimits by name, soft and hard', () => {
  const { ulimits } = parseContainerDefaults({ ...given, ulimits: ['nofile=1024:2048', 'nproc=5', 'core=0:-1'] });
  assert.deepEqual(ulimits, [
    { name: 'nofile', soft: 1024, hard: 2048 },
    { name: 'nproc', soft: 5, hard: 5 },
    { name: 'core', soft: 0, hard: -1 },
  ]);
  for (const bad of ['nofile', 'nofile=x', 'nofile=2:1', 'nofile=-1:5', '=1']) {
    assert.throws(() => parseContainerDefaults({ ...given, ulimits: [bad] }), /for "--default-ulimit" flag/);
  }
});

test('the modes that containers have by themselves, in dockerd’s words', () => {
  assert.deepEqual(parseContainerDefaults({ ...given, ipcMode: 'shareable', cgroupNamespace: 'host' }), {
    ...parseContainerDefaults(given),
    ipcMode: 'shareable',
    cgroupNamespace: 'host',
  });
  assert.equal(parseContainerDefaults(given).ipcMode, 'private');
  const refused = (more: object) => () => parseContainerDefaults({ ...given, ...more });
  assert.throws(refused({ ipcMode: 'foo' }), {
    message: 'default IPC mode setting (foo) is invalid; use "shareable" or "private"',
  });
  assert.throws(refused({ ipcMode: 'host' }), {
    message: 'IPC mode "host" is not supported as default value; use "shareable" or "private"',
  });
  assert.throws(refused({ cgroupNamespace: 'foo' }), {
    message: 'invalid default cgroup namespace (foo): use "host" or "private"',
  });
});

test('user namespaces are refused, and profiles that are none', () => {
  assert.throws(() => parseContainerDefaults({ ...given, seccompProfile: '/nosuch' }), /opening seccomp profile/);
  assert.equal(parseContainerDefaults({ ...given, seccompProfile: 'unconfined' }).seccomp, 'unconfined');
});

test('the size of /dev/shm, in go-units’ spelling', () => {
  const sizeOf = (shmSize: string) => parseContainerDefaults({ ...given, shmSize }).shmSize;
  assert.equal(parseContainerDefaults(given).shmSize, 64 << 20);
  assert.deepEqual(['64m', '128MiB', '1g', '4096', '1.5k'].map(sizeOf), [64 << 20, 128 << 20, 1 << 30, 4096, 1536]);
  for (const bad of ['', 'x', '-1m', '0', '64q']) {
    assert.throws(() => sizeOf(bad), {
      message: `invalid argument "${bad}" for "--default-shm-size" flag: invalid size: '${bad}'`,
    });
  }
});
