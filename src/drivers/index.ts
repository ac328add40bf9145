import { bridge } from './bridge/bridge.ts';
import type { NetworkDriver } from './driver.ts';
import { host } from './host/host.ts';
import { nullDriver } from './null/null.ts';

/** Every driver by its name. A new driver is one folder and one line here; the compliance suite finds it by this list. */
export const drivers: ReadonlyMap<string, NetworkDriver> = new Map<string, NetworkDriver>(
  [bridge, host, nullDriver].map((driver) => [driver.name, driver]),
);
