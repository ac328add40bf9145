import { bridge } from './bridge/bridge.ts';
import type { NetworkDriver } from './driver.ts';
import { host } from './host/host.ts';
import { ipvlan } from './ipvlan/ipvlan.ts';
import { macvlan } from './macvlan/macvlan.ts';
import { nullDriver } from './null/null.ts';
import { openvswitch } from './openvswitch/openvswitch.ts';

/** Every driver by its name. A new driver is one folder and one line here; the compliance suite finds it by this list. */
export const drivers: ReadonlyMap<string, NetworkDriver> = new Map<string, NetworkDriver>(
  [bridge, host, ipvlan, macvlan, nullDriver, openvswitch].map((driver) => [driver.name, driver]),
);
