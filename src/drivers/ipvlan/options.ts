import type { DriverOptions } from '../../model/network.ts';
import type { IpvlanFlag, IpvlanMode } from '../../model/resource.ts';
import { type HostAccess, needsMode, parseHostAccess } from '../host-access.ts';
import { type ParentOptions, parseParent, parseWord } from '../parent.ts';

/** What the ipvlan driver understands of `-o`, parsed, defaults filled in. */
export interface IpvlanOptions extends ParentOptions {
  readonly mode: IpvlanMode;
  /** Whether endpoints reach each other: at once, never, or by way of the switch */
  readonly flag: IpvlanFlag;
  readonly hostAccess?: HostAccess;
}

/** @throws EngineError internal in Docker's words; invalidArgument for options that Docker does not have */
export function parseIpvlanOptions(options: DriverOptions): IpvlanOptions {
  const mode = parseWord('ipvlan_mode', ['l2', 'l3', 'l3s'], options['ipvlan_mode']);
  const flag = parseWord('ipvlan_flag', ['bridge', 'private', 'vepa'], options['ipvlan_flag']);
  const access = parseHostAccess(options);
  needsMode(flag, 'bridge', access);
  return { mode, flag, ...parseParent('ipvlan', options), ...access };
}
