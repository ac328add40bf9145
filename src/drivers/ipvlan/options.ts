import type { DriverOptions } from '../../model/network.ts';
import type { IpvlanFlag, IpvlanMode } from '../../model/resource.ts';
import { type ParentOptions, parseParent, parseWord } from '../parent.ts';

/** What the ipvlan driver understands of `-o`, parsed, defaults filled in. */
export interface IpvlanOptions extends ParentOptions {
  readonly mode: IpvlanMode;
  /** Whether endpoints reach each other: at once, never, or by way of the switch */
  readonly flag: IpvlanFlag;
}

/** @throws EngineError internal in Docker's words */
export function parseIpvlanOptions(options: DriverOptions): IpvlanOptions {
  return {
    mode: parseWord('ipvlan_mode', ['l2', 'l3', 'l3s'], options['ipvlan_mode']),
    flag: parseWord('ipvlan_flag', ['bridge', 'private', 'vepa'], options['ipvlan_flag']),
    ...parseParent('ipvlan', options),
  };
}
