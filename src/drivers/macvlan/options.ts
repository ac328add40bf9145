import type { DriverOptions } from '../../model/network.ts';
import type { MacvlanMode } from '../../model/resource.ts';
import { type HostAccess, needsMode, parseHostAccess } from '../host-access.ts';
import { type ParentOptions, parseParent, parseWord } from '../parent.ts';

/** What the macvlan driver understands of `-o`, parsed, defaults filled in. */
export interface MacvlanOptions extends ParentOptions {
  readonly mode: MacvlanMode;
  readonly hostAccess?: HostAccess;
}

/** @throws EngineError internal in Docker's words; invalidArgument for options that Docker does not have */
export function parseMacvlanOptions(options: DriverOptions): MacvlanOptions {
  const mode = parseWord('macvlan_mode', ['bridge', 'private', 'vepa', 'passthru'], options['macvlan_mode']);
  const access = parseHostAccess(options);
  needsMode(mode, 'bridge', access);
  return { mode, ...parseParent('macvlan', options), ...access };
}
