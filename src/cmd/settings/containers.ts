import type { Settings } from './setting.ts';

/** What containers get that say nothing themselves, and registries. */
export const CONTAINER_SETTINGS = {
  init: {
    flag: 'init',
    key: 'init',
    kind: 'flag',
    help: 'run an init in containers that forwards signals and reaps processes (default false)',
  },
  initPath: { flag: 'init-path', key: 'init-path', kind: 'text', value: 'file', help: 'the program for --init' },
  logDriver: {
    flag: 'log-driver',
    key: 'log-driver',
    kind: 'text',
    value: 'driver',
    help: 'of containers that name none: json-file, local, journald or none (default json-file)',
  },
  logOptions: {
    flag: 'log-opt',
    key: 'log-opts',
    kind: 'list',
    shape: 'pairs',
    value: 'name=value',
    help: 'option of the log driver for all containers that use it (repeatable)',
  },
  defaultUlimits: {
    flag: 'default-ulimit',
    key: 'default-ulimits',
    kind: 'list',
    shape: 'ulimits',
    value: 'name=soft:hard',
    help: 'rlimit of containers that set none themselves (repeatable)',
  },
  noNewPrivileges: {
    flag: 'no-new-privileges',
    key: 'no-new-privileges',
    kind: 'flag',
    help: 'containers gain no privileges by set-user-ID programs, unless they say otherwise',
  },
  seccompProfile: {
    flag: 'seccomp-profile',
    key: 'seccomp-profile',
    kind: 'text',
    value: 'file',
    help: 'seccomp profile of containers that name none: a file, "builtin" or "unconfined"',
  },
  usernsRemap: { flag: 'userns-remap', key: 'userns-remap', kind: 'text', value: 'user', help: 'not supported yet' },
  registryMirrors: {
    flag: 'registry-mirror',
    key: 'registry-mirrors',
    kind: 'list',
    value: 'url',
    help: 'asked before Docker Hub (repeatable)',
  },
  insecureRegistries: {
    flag: 'insecure-registry',
    key: 'insecure-registries',
    kind: 'list',
    value: 'host',
    help: 'HOST[:PORT] or CIDR whose certificates are not checked, and that may speak http (repeatable)',
  },
  maxConcurrentDownloads: {
    flag: 'max-concurrent-downloads',
    key: 'max-concurrent-downloads',
    kind: 'text',
    value: 'count',
    help: 'layers pulled at once (default 3)',
  },
  maxConcurrentUploads: {
    flag: 'max-concurrent-uploads',
    key: 'max-concurrent-uploads',
    kind: 'text',
    value: 'count',
    help: 'layers pushed at once (default 5)',
  },
  maxDownloadAttempts: {
    flag: 'max-download-attempts',
    key: 'max-download-attempts',
    kind: 'text',
    value: 'count',
    help: 'how often one layer is asked for (default 5)',
  },
} as const satisfies Settings;
