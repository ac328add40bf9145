import { CONTAINER_SETTINGS } from './containers.ts';
import { DAEMON_SETTINGS } from './daemon.ts';
import { FOREIGN_SETTINGS, REFUSED_SETTINGS } from './foreign.ts';
import { NETWORK_SETTINGS } from './network.ts';
import type { Setting } from './setting.ts';

/** Every setting, by the name the program uses. Names and meanings are dockerd's. */
const SETTINGS = {
  ...DAEMON_SETTINGS,
  ...CONTAINER_SETTINGS,
  ...NETWORK_SETTINGS,
  ...REFUSED_SETTINGS,
  ...FOREIGN_SETTINGS,
};

export type SettingName = keyof typeof SETTINGS;
/** What a source (command line or file) said, before it is parsed. */
export type Given = Partial<Record<SettingName, string | readonly string[]>>;

/** In the order of their groups. */
export function settingEntries(): [SettingName, Setting][] {
  return Object.entries(SETTINGS) as [SettingName, Setting][];
}
