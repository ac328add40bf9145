import { KernelError } from '../model/errors.ts';
import type { Owner } from '../model/id-map.ts';
import { mount, umount2 } from './sys.ts';

/** mount(2): set-user-ID bits, devices and programs mean nothing there. */
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MNT_DETACH = 2;

/** A tmpfs everybody may write to, as /dev/shm is. @param size in bytes @param owner of its root @throws KernelError */
export function mountTmpfs(target: string, size: number, owner: Owner): void {
  mount(
    'shm',
    target,
    'tmpfs',
    MS_NOSUID | MS_NODEV | MS_NOEXEC,
    `mode=1777,size=${size},uid=${owner.uid},gid=${owner.gid}`,
  );
}

/** Out of the tree at once, gone when the last user is. What is no mount is fine. @throws KernelError */
export function unmountLazily(target: string): void {
  try {
    umount2(target, MNT_DETACH);
  } catch (error) {
    if (!(error instanceof KernelError && error.code === 'EINVAL')) throw error;
  }
}
