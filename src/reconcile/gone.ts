import { BatchError } from '../kernel/rtnetlink.ts';
import { KernelError } from '../model/errors.ts';

/** What a removal may meet: the thing is gone already, or went with something else. */
const GONE = ['ENOENT', 'ENODEV', 'ESRCH', 'EADDRNOTAVAIL', 'ENXIO'];

/** @throws what `work` threw, unless all of it says that the thing is gone */
export function unlessGone(work: () => void): void {
  try {
    work();
  } catch (error) {
    const failures = error instanceof BatchError ? [...error.failures.values()] : [error];
    if (!failures.every((failure) => failure instanceof KernelError && GONE.includes(failure.code))) throw error;
  }
}
