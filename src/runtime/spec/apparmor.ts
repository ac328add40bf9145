import { existsSync, readFileSync } from 'node:fs';
import { EngineError } from '../../model/errors.ts';

/** Docker's name, which people's tools look for. */
export const DEFAULT_APPARMOR_PROFILE = 'docker-default';

/** Names of the loaded profiles. Lines are "name (mode)"; the file is there only while AppArmor is on. */
export function readApparmorProfiles(): ReadonlySet<string> | undefined {
  const path = '/sys/kernel/security/apparmor/profiles';
  if (!existsSync(path)) return undefined;
  const lines = readFileSync(path, 'utf8').split('\n');
  return new Set(lines.map((line) => line.replace(/ \([a-z]+\)$/, '')).filter((name) => name !== ''));
}

export interface ApparmorQuestion {
  /** The container's own wish; undefined: none */
  readonly asked: string | undefined;
  readonly privileged: boolean;
  /** Those that are loaded; undefined: the kernel has no AppArmor */
  readonly profiles: ReadonlySet<string> | undefined;
}

/**
 * What confines a container, as `docker inspect` tells it: a profile, "unconfined", or '' where there is no AppArmor. A profile that
 * was asked for must be there at the start: runc says so.
 * @throws EngineError invalidArgument for a profile where there is no AppArmor
 */
export function chooseApparmor({ asked, privileged, profiles }: ApparmorQuestion): string {
  if (profiles === undefined) {
    if (asked === undefined || asked === 'unconfined') return '';
    throw new EngineError(
      'invalidArgument',
      `AppArmor profile "${asked}" is asked for, but the kernel has no AppArmor`,
    );
  }
  if (asked !== undefined) return asked;
  return !privileged && profiles.has(DEFAULT_APPARMOR_PROFILE) ? DEFAULT_APPARMOR_PROFILE : 'unconfined';
}
