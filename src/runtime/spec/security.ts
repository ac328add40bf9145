import { EngineError } from '../../model/errors.ts';
import { parseProfile, type SeccompProfile } from './seccomp.ts';

/** `--security-opt`, parsed. */
export interface SecurityChoice {
  readonly noNewPrivileges: boolean;
  /** undefined: as privileged containers have them, and no others */
  readonly writableCgroups?: boolean;
  readonly seccomp: 'default' | 'unconfined' | SeccompProfile;
  /** A loaded profile's name, or "unconfined"; undefined: the default */
  readonly apparmor?: string;
}

/** Docker's, where neither the container nor the daemon's flags say anything. */
const DEFAULTS: SecurityChoice = { noNewPrivileges: false, seccomp: 'default' };

/**
 * SELinux labels are taken and mean nothing, since Fairway sets none.
 * @throws EngineError invalidArgument `invalid --security-opt 2: "X"` in Docker's words
 */
export function parseSecurityOptions(options: readonly string[], defaults = DEFAULTS): SecurityChoice {
  let choice: SecurityChoice = defaults;
  for (const option of options) choice = { ...choice, ...parseOption(option) };
  return choice;
}

function parseOption(option: string): Partial<SecurityChoice> {
  if (option === 'no-new-privileges') return { noNewPrivileges: true };
  if (option === 'writable-cgroups') return { writableCgroups: true };
  // "key=value"; Docker still takes the older "key:value".
  const match = /^([a-z-]+)[=:](.*)$/s.exec(option);
  if (match === null) throw new EngineError('invalidArgument', `invalid --security-opt 1: "${option}"`);
  const [, key, value = ''] = match;
  switch (key) {
    case 'no-new-privileges':
      return { noNewPrivileges: parseSwitch(value, option) };
    case 'writable-cgroups':
      return { writableCgroups: parseSwitch(value, option) };
    case 'seccomp':
      return { seccomp: parseSeccomp(value) };
    case 'apparmor':
      return { apparmor: value };
    case 'label':
      return {};
    default:
      throw new EngineError('invalidArgument', `invalid --security-opt 2: "${option}"`);
  }
}

function parseSeccomp(value: string): SecurityChoice['seccomp'] {
  if (value === 'unconfined') return 'unconfined';
  return value === 'builtin' ? 'default' : parseProfile(value);
}

function parseSwitch(value: string, option: string): boolean {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw new EngineError('invalidArgument', `invalid --security-opt 2: "${option}"`);
}
