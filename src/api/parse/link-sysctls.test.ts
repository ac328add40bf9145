import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseApiVersion } from '../version.ts';
import { parseContainerSpec } from './container.ts';
import { moveLinkSysctls } from './link-sysctls.ts';

const OPTION = 'com.docker.network.endpoint.sysctls';

function move(api: string, sysctls: object, more: object = {}, own?: string) {
  const version = parseApiVersion(api);
  const endpoints = own === undefined ? {} : { EndpointsConfig: { app: { DriverOpts: { [OPTION]: own } }, b: {} } };
  const HostConfig = { NetworkMode: 'app', Sysctls: sysctls, ...more };
  return moveLinkSysctls(
    parseContainerSpec({ Image: 'busybox', HostConfig, NetworkingConfig: endpoints }, version),
    version,
  );
}

test('before 1.48 a setting of eth0 becomes the main endpoint’s, before what was said of that itself', () => {
  const { spec, warnings } = move(
    '1.47',
    { 'net.ipv4.conf.eth0.log_martians': '1', 'net.core.somaxconn': '9' },
    {},
    'net.ipv4.conf.IFNAME.arp_notify=1',
  );
  assert.deepEqual(spec.isolation.sysctls, { 'net.core.somaxconn': '9' });
  assert.deepEqual(
    spec.endpoints.map(({ network, driverOptions }) => [network, driverOptions[OPTION]]),
    [
      ['app', 'net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.conf.IFNAME.arp_notify=1'],
      ['b', undefined],
    ],
  );
  assert.deepEqual(warnings, [
    `Migrated sysctl "net.ipv4.conf.eth0.log_martians" to DriverOpts{"${OPTION}":"net.ipv4.conf.IFNAME.log_martians=1"}.`,
  ]);
});

test('newer clients have to say it of the endpoint, and other links have no certain name', () => {
  const words = {
    kind: 'invalidArgument',
    message: `interface specific sysctl setting "net.ipv4.conf.eth0.arp_notify" must be supplied using driver option '${OPTION}'`,
  };
  assert.throws(() => move('1.48', { 'net.ipv4.conf.eth0.arp_notify': '1' }), words);
  assert.throws(
    () => move('1.47', { 'net.ipv6.conf.eth1.forwarding': '1' }),
    /unable to determine network endpoint for sysctl net\.ipv6\.conf\.eth1\.forwarding, use driver option/,
  );
});

test('what is no link’s, and a network that is another’s, is left as it is', () => {
  const { spec, warnings } = move('1.50', { 'net.ipv4.conf.all.rp_filter': '1' });
  assert.deepEqual([spec.isolation.sysctls, warnings], [{ 'net.ipv4.conf.all.rp_filter': '1' }, []]);
  const shared = move('1.50', { 'net.ipv4.conf.eth0.rp_filter': '1' }, { NetworkMode: 'container:x' });
  assert.deepEqual(shared.spec.isolation.sysctls, { 'net.ipv4.conf.eth0.rp_filter': '1' });
});
