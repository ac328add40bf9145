import * as sys from './sys.ts';

/** Makes a FIFO. @param mode cut by the umask @throws KernelError EEXIST */
export function makeFifo(path: string, mode: number): void {
  sys.mkfifo(path, mode);
}
