import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

/** An unpacked linux-image package. */
export interface Kernel {
  /** As `uname -r` says it */
  readonly release: string;
  readonly image: string;
  /** The folder with lib/modules in it */
  readonly root: string;
}

const run = promisify(execFile);
const CACHE = join(import.meta.dirname, '../../.cache/vm');

/** The kernel of a given package, or the newest of this machine's Debian suite; unpacked once and kept. */
export async function findKernel(deb: string | undefined): Promise<Kernel> {
  const name = deb === undefined ? await currentPackage() : basename(deb, '.deb');
  const root = join(CACHE, name);
  if (!existsSync(root)) await unpack(name, deb, root);
  const [release] = await readdir(join(root, 'lib/modules'));
  if (release === undefined) throw new Error(`${name} holds no kernel modules`);
  return { release, image: join(root, 'boot', `vmlinuz-${release}`), root };
}

/** "linux-image-amd64" only depends on the package of the current version. */
async function currentPackage(): Promise<string> {
  const { stdout } = await run('apt-cache', ['depends', 'linux-image-amd64']);
  const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
  if (name === undefined) throw new Error('apt knows no package linux-image-amd64; try apt-get update');
  return name;
}

/** Nothing is installed: the package's scripts do not run. A half unpacked one never gets the final name. */
async function unpack(name: string, deb: string | undefined, root: string): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const scratch = await mkdtemp(join(CACHE, 'unpacking-'));
  try {
    const file = deb ?? (await download(name, scratch));
    const unpacked = join(scratch, 'root');
    await run('dpkg', ['-x', file, unpacked]);
    // Packages since Debian 13 unpack to /usr/lib alone.
    if (!existsSync(join(unpacked, 'lib'))) await symlink('usr/lib', join(unpacked, 'lib'));
    for (const release of await readdir(join(unpacked, 'lib/modules'))) await run('depmod', ['-b', unpacked, release]);
    await rename(unpacked, root);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function download(name: string, folder: string): Promise<string> {
  await run('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', '-qq', name], { cwd: folder });
  const file = (await readdir(folder)).find((entry) => entry.endsWith('.deb'));
  if (file === undefined) throw new Error(`apt-get download brought no ${name}`);
  return join(folder, file);
}
