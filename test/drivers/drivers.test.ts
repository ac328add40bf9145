import { test } from 'node:test';
import { drivers } from '../../src/drivers/index.ts';
import type { DriverOptions } from '../../src/model/network.ts';
import { livesAndGoes } from './life.ts';

const OPTIONS: Readonly<Record<string, DriverOptions>> = { macvlan: { parent: 'eth0' } };
/** Not every kernel has ipvlan (test/vm/drivers.guest.ts), and a switch must run for its ports (test/e2e/openvswitch.test.ts). */
const ELSEWHERE = ['ipvlan', 'openvswitch'];

for (const [name, driver] of drivers) {
  if (ELSEWHERE.includes(name)) continue;
  test(`what driver ${name} describes can be made, is whole, and goes again`, () =>
    livesAndGoes(driver, OPTIONS[name] ?? {}));
}
