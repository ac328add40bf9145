import type { DriverOptions } from '../../model/network.ts';
import type { MacvlanMode } from '../../model/resource.ts';
import { type ParentOptions, parseParent, parseWord } from '../parent.ts';

/** What the macvlan driver understands of `-o`, parsed, defaults filled in. */
export interface MacvlanOptions extends ParentOptions {
  readonly mode: MacvlanMode;
}

/** @throws EngineError internal in Docker's words */
export function parseMacvlanOptions(options: DriverOptions): MacvlanOptions {
  return {
    mode: parseWord('macvlan_mode', ['bridge', 'private', 'vepa', 'passthru'], options['macvlan_mode']),
    ...parseParent('macvlan', options),
  };
}
