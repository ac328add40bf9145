import { KernelError } from '../model/errors.ts';

/** Turns what node:fs throws into the error of this room; anything else stays as it is thrown. */
export function asKernelError(operation: string, thrown: unknown): KernelError {
  if (thrown instanceof Error && 'errno' in thrown && 'code' in thrown) {
    const { errno, code } = thrown;
    if (typeof errno === 'number' && typeof code === 'string') {
      return new KernelError({ operation, errno: -errno, sentence: '' }, code);
    }
  }
  throw thrown;
}
