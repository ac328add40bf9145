import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { errorMessage } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';
import { DEFAULT_APPARMOR_PROFILE, readApparmorProfiles } from './spec/apparmor.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * What every container is confined by that asks for nothing else (apparmor.d(5)): everything is allowed but what changes the
 * machine instead of the container. Of kernel settings those of its own namespaces are left; mounting is not among what it may do,
 * whatever its capabilities. Others may signal it only when they are not confined, or are containers themselves.
 */
const PROFILE = `
profile ${DEFAULT_APPARMOR_PROFILE} flags=(attach_disconnected, mediate_deleted) {
  network,
  capability,
  file,
  umount,
  signal (receive) peer=unconfined,
  signal (receive) peer=runc,
  signal (send, receive) peer=${DEFAULT_APPARMOR_PROFILE},
  ptrace (read, readby, trace, tracedby) peer=${DEFAULT_APPARMOR_PROFILE},

  deny mount,
  deny pivot_root,

  # Switches of the kernel that lie in /proc itself: sysrq-trigger and the like; memory is not even to be read
  deny /proc/* w,
  deny /proc/{kcore,kmem,mem} rwklx,
  deny /proc/{acpi,asound,bus,driver,dynamic_debug,fs,irq,scsi,tty}/** w,

  # Left: net/**, kernel/msg*, kernel/sem, kernel/shm*, which are the container's own
  deny /proc/sys/{abi,crypto,debug,dev,fs,sunrpc,user,vm,xen}/** w,
  deny /proc/sys/kernel/[^ms]* w,
  deny /proc/sys/kernel/m[^s]* w,
  deny /proc/sys/kernel/s[^eh]* w,
  deny /proc/sys/kernel/se[^m]* w,
  deny /proc/sys/kernel/sh[^m]* w,
  deny /proc/sys/kernel/*/** w,

  deny /sys/{block,bus,class,dev,devices,firmware,hypervisor,kernel,module,power}/** wklx,
  deny /sys/fs/[^c]** wklx,
  deny /sys/firmware/** r,
  deny /sys/kernel/security/** r,
  deny /sys/devices/virtual/powercap/** r,
}
`;

/** Whether the kernel confines programs at all; false also where it can and was told not to. */
function isEnabled(): boolean {
  try {
    return readFileSync('/sys/module/apparmor/parameters/enabled', 'utf8').startsWith('Y');
  } catch {
    return false;
  }
}

/**
 * Loads the default profile where the kernel has AppArmor. One of that name that is there already, as dockerd's, stays: running
 * containers may be confined by it. Without apparmor_parser, containers run without a profile: the log says so.
 */
export async function loadDefaultProfile(logger: Logger): Promise<void> {
  if (!isEnabled() || readApparmorProfiles()?.has(DEFAULT_APPARMOR_PROFILE) === true) return;
  try {
    await parse(PROFILE);
    logger.info('AppArmor profile loaded', { profile: DEFAULT_APPARMOR_PROFILE });
  } catch (error) {
    const advice = 'containers are not confined by AppArmor; the program is in the package apparmor';
    logger.warn(`AppArmor profile could not be loaded: ${advice}`, { error: errorMessage(error) });
  }
}

function parse(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = execFile('apparmor_parser', ['--replace', '--skip-cache'], { env: { PATH } }, (error) => {
      if (error === null) resolve();
      else reject(error);
    });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(text);
  });
}
