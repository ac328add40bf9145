import { lazily, libcFunction } from './sys.ts';

/** glibc's alone. @param pad bytes to keep at the top */
type Trim = (pad: number) => number;
const trim: () => Trim | undefined = lazily(() => {
  try {
    return libcFunction('int malloc_trim(size_t)');
  } catch {
    return undefined;
  }
});

/** malloc_trim(3): what was freed goes back to the system, 10 to 40 ms. Nothing where the C library is another than glibc. */
export function releaseFreed(): void {
  trim()?.(0);
}
