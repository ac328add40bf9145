import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLAIN_SPEC } from '../../test/plain-spec.ts';
import type { NetworkMode } from '../model/container.ts';
import { type Isolation, PLAIN_ISOLATION } from '../model/isolation.ts';
import { checkSysctls, networkSysctls, otherSysctls } from './sysctls.ts';

const spec = (
  sysctls: Record<string, string>,
  isolation: Partial<Isolation> = {},
  networkMode: NetworkMode = { kind: 'none' },
) => ({
  ...PLAIN_SPEC,
  networkMode,
  isolation: { ...PLAIN_ISOLATION, ...isolation, sysctls },
});

test('only what a namespace of the container holds may be set', () => {
  const check =
    (name: string, isolation: Partial<Isolation> = {}, mode: NetworkMode = { kind: 'none' }) =>
    () =>
      checkSysctls(spec({ [name]: '1' }, isolation, mode));
  for (const name of [
    'net.core.somaxconn',
    'net/ipv4/ip_forward',
    'kernel.shmmax',
    'fs.mqueue.msg_max',
    'kernel.domainname',
  ]) {
    check(name)();
  }
  const separate = (name: string) => `sysctl "${name}" is not in a separate kernel namespace`;
  for (const name of [
    'kernel.core_pattern',
    'vm.swappiness',
    'kernel/hostname',
    'net/../kernel/core_pattern',
    'net.a b',
    '',
  ]) {
    assert.throws(check(name), { kind: 'invalidArgument', message: separate(name) });
  }
  assert.throws(check('net.core.somaxconn', {}, { kind: 'host' }), {
    message: 'sysctl "net.core.somaxconn" not allowed in host network namespace',
  });
  assert.throws(check('kernel.sem', { ipc: { kind: 'host' } }), {
    message: 'sysctl "kernel.sem" is not allowed in the hosts ipc namespace',
  });
  assert.throws(check('kernel.domainname', { hostUts: true }), { message: separate('kernel.domainname') });
  assert.throws(check('net.ipv4.conf.eth0.arp_notify'), /interface specific sysctl setting/);
});

test('the network’s are written by path, the others by runc', () => {
  const asked = spec({ 'net.ipv4.ip_forward': '1', 'net/ipv4/conf/a.1/forwarding': '0', 'kernel.sem': '1 2 3 4' });
  assert.deepEqual(networkSysctls(asked), { 'net/ipv4/ip_forward': '1', 'net/ipv4/conf/a.1/forwarding': '0' });
  assert.deepEqual(otherSysctls(asked), { 'kernel.sem': '1 2 3 4' });
});
