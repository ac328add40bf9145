import { test } from 'node:test';
import { drivers } from '../../src/drivers/index.ts';
import type { DriverOptions } from '../../src/model/network.ts';
import { livesAndGoes } from './life.ts';

const NETWORKS: Readonly<Record<string, readonly DriverOptions[]>> = {
  // The kernel keeps ports apart by a flag that can only be given to a link that is there.
  bridge: [{}, { 'com.docker.network.bridge.enable_icc': 'false' }],
  macvlan: [{ parent: 'eth0' }],
};
/** Not every kernel has ipvlan (test/vm/drivers.guest.ts), and a switch must run for its ports (test/e2e/openvswitch.test.ts). */
const ELSEWHERE = ['ipvlan', 'openvswitch'];

for (const [name, driver] of drivers) {
  if (ELSEWHERE.includes(name)) continue;
  for (const options of NETWORKS[name] ?? [{}]) {
    test(`what driver ${name} describes with ${JSON.stringify(options)} can be made, is whole, and goes again`, () =>
      livesAndGoes(driver, options));
  }
}
