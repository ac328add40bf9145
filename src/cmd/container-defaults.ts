import { readFileSync } from 'node:fs';
import type { ContainerDefaults } from '../engine/config.ts';
import { EngineError, errorMessage } from '../model/errors.ts';
import { DEFAULT_SHM_SIZE, type Ulimit } from '../model/isolation.ts';
import { parseSize } from '../model/size.ts';
import { parseProfile } from '../runtime/spec/seccomp.ts';

/** What the daemon's flags say of containers that say nothing themselves. */
export interface GivenDefaults {
  /** "nofile=1024:2048" */
  readonly ulimits: readonly string[];
  readonly noNewPrivileges: boolean;
  /** A file, "builtin" or "unconfined" */
  readonly seccompProfile: string;
  readonly ipcMode?: string;
  readonly cgroupNamespace?: string;
  /** "64m" */
  readonly shmSize?: string;
}

/** @throws EngineError invalidArgument naming the flag */
export function parseContainerDefaults(given: GivenDefaults): ContainerDefaults {
  return {
    ulimits: given.ulimits.map(parseUlimit),
    noNewPrivileges: given.noNewPrivileges,
    seccomp: readSeccompProfile(given.seccompProfile),
    seccompName: given.seccompProfile,
    ipcMode: parseIpcMode(given.ipcMode ?? 'private'),
    shmSize: given.shmSize === undefined ? DEFAULT_SHM_SIZE : parseShmSize(given.shmSize),
    ...(given.cgroupNamespace === undefined ? {} : { cgroupNamespace: parseCgroupNamespace(given.cgroupNamespace) }),
  };
}

function parseIpcMode(text: string): ContainerDefaults['ipcMode'] {
  if (text === 'private' || text === 'shareable') return text;
  const refused = /^(host|none|container:.*)$/.test(text)
    ? `IPC mode "${text}" is not supported as default value`
    : `default IPC mode setting (${text}) is invalid`;
  throw new EngineError('invalidArgument', `${refused}; use "shareable" or "private"`);
}

function parseCgroupNamespace(text: string): 'host' | 'private' {
  if (text === 'host' || text === 'private') return text;
  throw new EngineError('invalidArgument', `invalid default cgroup namespace (${text}): use "host" or "private"`);
}

function parseShmSize(text: string): number {
  const size = parseSize(text, 1024);
  if (size !== undefined && size > 0) return size;
  throw new EngineError(
    'invalidArgument',
    `invalid argument "${text}" for "--default-shm-size" flag: invalid size: '${text}'`,
  );
}

/** "name=soft[:hard]", as dockerd's --default-ulimit; -1 is no limit. */
function parseUlimit(text: string): Ulimit {
  const [, name = '', soft, hard = soft] = /^([a-z]+)=(-1|\d+)(?::(-1|\d+))?$/.exec(text) ?? [];
  const limit = { name, soft: Number(soft), hard: Number(hard) };
  const above = limit.hard !== -1 && (limit.soft === -1 || limit.soft > limit.hard);
  if (name === '' || above) {
    throw new EngineError(
      'invalidArgument',
      `invalid argument "${text}" for "--default-ulimit" flag: want NAME=SOFT:HARD`,
    );
  }
  return limit;
}

function readSeccompProfile(name: string): ContainerDefaults['seccomp'] {
  if (name === 'unconfined') return 'unconfined';
  if (name === 'builtin') return 'default';
  try {
    return parseProfile(readFileSync(name, 'utf8'));
  } catch (error) {
    throw new EngineError('invalidArgument', `opening seccomp profile (${name}) failed: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}
