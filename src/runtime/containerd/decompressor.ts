import { access, constants, mkdir, rm, symlink } from 'node:fs/promises';
import { delimiter, join } from 'node:path';

/** By this name containerd looks for a program that unpacks gzip (archive/compression), and else does it itself. */
const WANTED = 'unpigz';
/** Intel's ISA-L (Debian: isal), with the same options: three times as fast as Go's own */
const PROGRAM = 'igzip';

/**
 * Where there is igzip, containerd shall unpack layers with it.
 *
 * @param folder of our own, first on the PATH
 * @returns the PATH for containerd
 */
export async function pathWithDecompressor(folder: string, path: string): Promise<string> {
  await rm(folder, { recursive: true, force: true });
  const program = await find(PROGRAM, path.split(delimiter));
  if (program === undefined) return path;
  await mkdir(folder, { mode: 0o700 });
  await symlink(program, join(folder, WANTED));
  return `${folder}${delimiter}${path}`;
}

async function find(program: string, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, program);
    const usable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (folder.startsWith('/') && usable) return path;
  }
  return undefined;
}
