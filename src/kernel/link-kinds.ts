/** Kinds of links that say more of themselves than their name. include/uapi/linux/if_link.h, Documentation/networking/ipvlan.rst */

import type { IpvlanFlag, IpvlanMode, MacvlanMode } from '../model/resource.ts';
import type { Attributes, MessageBatch } from './netlink.ts';

/** What a kind has to say for itself (IFLA_INFO_DATA), in the model's words. */
export type LinkSettings =
  | { readonly kind: 'macvlan'; readonly mode: MacvlanMode }
  | { readonly kind: 'ipvlan'; readonly mode: IpvlanMode; readonly flag: IpvlanFlag }
  /** IEEE 802.1Q. The number is between 1 and 4094 */
  | { readonly kind: 'vlan'; readonly id: number }
  | { readonly kind: 'dummy' };

const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_MACVLAN_MODE = 1;
const IFLA_IPVLAN_MODE = 1;
const IFLA_IPVLAN_FLAGS = 2;
const IFLA_VLAN_ID = 1;

/** enum macvlan_mode */
const MACVLAN_MODES: Readonly<Record<MacvlanMode, number>> = { private: 1, vepa: 2, bridge: 4, passthru: 8 };
/** enum ipvlan_mode */
const IPVLAN_MODES: Readonly<Record<IpvlanMode, number>> = { l2: 0, l3: 1, l3s: 2 };
/** IPVLAN_F_PRIVATE, IPVLAN_F_VEPA */
const IPVLAN_FLAGS: Readonly<Record<IpvlanFlag, number>> = { bridge: 0, private: 1, vepa: 2 };

/** Writes the inside of IFLA_LINKINFO. */
export function writeSettings(info: MessageBatch, settings: LinkSettings): void {
  info.text(IFLA_INFO_KIND, settings.kind);
  switch (settings.kind) {
    case 'macvlan':
      info.nest(IFLA_INFO_DATA, (data) => data.u32(IFLA_MACVLAN_MODE, MACVLAN_MODES[settings.mode]));
      break;
    case 'ipvlan':
      info.nest(IFLA_INFO_DATA, (data) => {
        data.u16(IFLA_IPVLAN_MODE, IPVLAN_MODES[settings.mode]).u16(IFLA_IPVLAN_FLAGS, IPVLAN_FLAGS[settings.flag]);
      });
      break;
    case 'vlan':
      info.nest(IFLA_INFO_DATA, (data) => data.u16(IFLA_VLAN_ID, settings.id));
      break;
    case 'dummy':
      break;
  }
}

/** @returns undefined for kinds we do not make, and for settings we do not know (macvlan's "source") */
export function readSettings(kind: string, data: Attributes): LinkSettings | undefined {
  switch (kind) {
    case 'macvlan': {
      const mode = wordOf(MACVLAN_MODES, data.u32(IFLA_MACVLAN_MODE));
      return mode && { kind, mode };
    }
    case 'ipvlan': {
      const mode = wordOf(IPVLAN_MODES, data.u16(IFLA_IPVLAN_MODE));
      const flag = wordOf(IPVLAN_FLAGS, data.u16(IFLA_IPVLAN_FLAGS) ?? 0);
      return mode && flag && { kind, mode, flag };
    }
    case 'vlan': {
      const id = data.u16(IFLA_VLAN_ID);
      return id === undefined ? undefined : { kind, id };
    }
    case 'dummy':
      return { kind };
    default:
      return undefined;
  }
}

function wordOf<W extends string>(words: Readonly<Record<W, number>>, value: number | undefined): W | undefined {
  return (Object.keys(words) as W[]).find((word) => words[word] === value);
}
