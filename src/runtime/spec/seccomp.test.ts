import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_CAPABILITIES } from './capabilities.ts';
import type { OciSeccomp } from './oci.ts';
import { parseProfile, resolveProfile, type SeccompContext } from './seccomp.ts';
import { DEFAULT_PROFILE } from './seccomp-profile.ts';

const context: SeccompContext = {
  capabilities: DEFAULT_CAPABILITIES,
  architecture: 'amd64',
  kernel: [6, 1],
  runs32Bit: true,
};
const resolve = (more: Partial<SeccompContext> = {}) => resolveProfile(DEFAULT_PROFILE, { ...context, ...more });
const allowed = ({ syscalls }: OciSeccomp, name: string) =>
  syscalls.some((rule) => rule.names.includes(name) && rule.action === 'SCMP_ACT_ALLOW' && rule.args === undefined);

test('what is not named fails with EPERM', () => {
  const { defaultAction, defaultErrnoRet } = resolve();
  assert.deepEqual([defaultAction, defaultErrnoRet], ['SCMP_ACT_ERRNO', 1]);
  for (const name of [
    'mount',
    'unshare',
    'setns',
    'bpf',
    'kexec_load',
    'keyctl',
    'add_key',
    'io_uring_setup',
    'userfaultfd',
  ]) {
    assert.equal(allowed(resolve(), name), false, name);
  }
  for (const name of ['read', 'execve', 'openat', 'futex', 'chroot', 'ptrace', 'mseal']) {
    assert.equal(allowed(resolve(), name), true, name);
  }
});

test('no call is named twice among those every container may make', () => {
  const [rule] = DEFAULT_PROFILE.syscalls;
  assert.equal(new Set(rule?.names).size, rule?.names.length);
});

test('capabilities bring their calls', () => {
  const admin = resolve({ capabilities: ['CAP_SYS_ADMIN'] });
  for (const name of ['mount', 'unshare', 'clone3', 'clone']) assert.equal(allowed(admin, name), true, name);
  assert.equal(allowed(resolve({ capabilities: [] }), 'chroot'), false);
  assert.equal(allowed(resolve({ capabilities: ['CAP_BPF'] }), 'bpf'), true);
});

test('new namespaces are refused without CAP_SYS_ADMIN, and clone3 pretends not to exist', () => {
  const rules = resolve().syscalls;
  assert.deepEqual(
    rules.find((rule) => rule.names.includes('clone3')),
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 },
  );
  const [flags] = rules.find((rule) => rule.names.includes('clone'))?.args ?? [];
  assert.deepEqual(flags, { index: 0, value: 0x7e020000, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' });
});

test('ptrace only where it does not lead around seccomp', () => {
  assert.equal(allowed(resolve({ kernel: [4, 7] }), 'ptrace'), false);
  assert.equal(allowed(resolve({ kernel: [4, 8] }), 'ptrace'), true);
});

test('architectures as the kernel runs them; rules of equal effect are one', () => {
  assert.deepEqual(resolve().architectures, ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86']);
  assert.deepEqual(resolve({ runs32Bit: false }).architectures, ['SCMP_ARCH_X86_64']);
  assert.deepEqual(resolve({ architecture: 'arm64' }).architectures, ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM']);
  assert.equal(allowed(resolve({ architecture: 'arm64' }), 'set_tls'), true);
  assert.equal(allowed(resolve(), 'set_tls'), false);
  const plain = resolve().syscalls.filter((rule) => rule.args === undefined && rule.action === 'SCMP_ACT_ALLOW');
  assert.equal(plain.length, 1);
});

test('a profile of the user’s', () => {
  const text =
    '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"syscalls":[{"name":"mkdir","action":"SCMP_ACT_ERRNO","args":[]}]}';
  const resolved = resolveProfile(parseProfile(text), context);
  assert.deepEqual(resolved, {
    defaultAction: 'SCMP_ACT_ALLOW',
    architectures: ['SCMP_ARCH_X86'],
    syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_ERRNO' }],
  });
  for (const bad of [
    '',
    '[]',
    '{}',
    '{"defaultAction":"x","syscalls":[{}]}',
    '{"defaultAction":"x","syscalls":[{"action":"y"}]}',
    ...[
      '"includes":{"minKernel":4.8}',
      '"includes":[]',
      '"excludes":{"caps":"CAP_CHOWN"}',
      '"args":[{"index":0}]',
      '"args":[{"index":0,"op":"SCMP_CMP_EQ","value":"1"}]',
      '"errnoRet":"EPERM"',
    ].map((more) => `{"defaultAction":"x","syscalls":[{"names":["read"],"action":"y",${more}}]}`),
    '{"defaultAction":"x","archMap":[{"subArchitectures":["SCMP_ARCH_X86"]}]}',
    '{"defaultAction":"x","architectures":"SCMP_ARCH_X86"}',
  ]) {
    assert.throws(() => parseProfile(bad), { kind: 'invalidArgument', message: /^Decoding seccomp profile failed: / });
  }
});

test('what is null in a profile is as if it were not there', () => {
  const nothing = '"args":null,"includes":null,"excludes":{"caps":null,"minKernel":null},"errnoRet":null';
  const text = `{"defaultAction":"x","archMap":null,"syscalls":[{"names":["read"],"action":"y",${nothing}}]}`;
  assert.deepEqual(parseProfile(text), {
    defaultAction: 'x',
    syscalls: [{ names: ['read'], action: 'y', excludes: {} }],
  });
});
