import { test } from 'node:test';
import { drivers } from '../../src/drivers/index.ts';
import type { DriverOptions } from '../../src/model/network.ts';
import { livesAndGoes } from '../drivers/life.ts';

const NETWORKS: readonly (readonly [string, DriverOptions])[] = [
  ['macvlan', {}],
  ['macvlan', { parent: 'eth0.50' }],
  ['ipvlan', {}],
  ['ipvlan', { parent: 'eth0' }],
  ['ipvlan', { parent: 'eth0.50', ipvlan_mode: 'l3', ipvlan_flag: 'private' }],
  ['ipvlan', { parent: 'eth0', ipvlan_mode: 'l3s', ipvlan_flag: 'vepa' }],
];

for (const [name, options] of NETWORKS) {
  const driver = drivers.get(name);
  if (driver === undefined) throw new Error(`no driver ${name}`);
  test(`what driver ${name} describes with ${JSON.stringify(options)} can be made, is whole, and goes again`, () =>
    livesAndGoes(driver, options));
}
