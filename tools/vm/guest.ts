import { execFile, spawn } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { Kernel } from './kernel.ts';

export type Cgroups = 'v1' | 'v2';

export interface GuestOptions {
  readonly cgroups: Cgroups;
  /** For sh, in the repository's folder */
  readonly command: string;
}

const run = promisify(execFile);
const REPOSITORY = join(import.meta.dirname, '../..');
/** What it takes to mount the host's root: the rest is loaded from there. */
const MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'overlay'];
/** Milliseconds after which a guest that says nothing of its end is given up. */
const LONGEST = 60 * 60_000;

/** Boots a guest, whose output is ours. @returns the command's exit code, or 255 when the guest ended without one */
export async function runInGuest(kernel: Kernel, options: GuestOptions): Promise<number> {
  const scratch = await mkdtemp(join(tmpdir(), 'fairway-vm-'));
  try {
    await bundleDaemon();
    const initramfs = await buildInitramfs(kernel, options, scratch);
    // It ends with this process, however that ends (prctl(2), PR_SET_PDEATHSIG).
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', 'nice', 'qemu-system-x86_64', ...machine(kernel, initramfs)],
      {
        stdio: ['ignore', 'inherit', 'inherit'],
        timeout: LONGEST,
      },
    );
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (status) => resolve(status ?? 0));
    });
    return exitCode(code);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The daemon's first start makes it one file, which takes a second here and twenty in the guest. */
async function bundleDaemon(): Promise<void> {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(REPOSITORY, '.cache/compiled') };
  await run(join(REPOSITORY, 'bin/fairwayd'), ['--validate', '--config-file', '/dev/null'], { env });
}

/**
 * guest.sh hands its code + 1 to isa-debug-exit, which makes (n << 1) | 1 of it. 1 is thereby QEMU's own failure, 0 a guest
 * that reset itself, which is what a panic does.
 */
function exitCode(status: number): number {
  return status % 2 === 1 && status > 1 ? (status >> 1) - 1 : 255;
}

/**
 * An old processor, on purpose. Under emulation V8 fails with 5-level page tables and protection keys, and AVX and fast
 * "rep movsb", which programs and the kernel use where they find them, are slow. The clock is the processor's: a look at the
 * HPET, which the kernel would choose, costs an exit from the guest's code.
 */
function machine(kernel: Kernel, initramfs: string): string[] {
  const append = 'console=ttyS0 quiet panic=-1 mitigations=off audit=0 nowatchdog tsc=reliable clocksource=tsc';
  return [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'Nehalem', '-smp', '2', '-m', '4096'],
    ...['-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot'],
    ...['-kernel', kernel.image, '-initrd', initramfs, '-append', append],
    ...['-device', 'virtio-rng-pci', '-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
    // An empty disk, for what is about disks.
    ...['-blockdev', 'driver=null-co,node-name=disk,size=67108864', '-device', 'virtio-blk-pci,drive=disk'],
    ...['-virtfs', 'local,path=/,security_model=none,multidevs=remap,readonly=on,mount_tag=host'],
  ];
}

/** busybox, the modules, and what the guest is to do. @returns the archive's path */
async function buildInitramfs(kernel: Kernel, options: GuestOptions, scratch: string): Promise<string> {
  const root = join(scratch, 'root');
  for (const folder of ['bin', 'dev', 'proc', 'host', 'changes', 'root', 'modules']) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await copyFile('/bin/busybox', join(root, 'bin/busybox'));
  await copyFile(join(import.meta.dirname, 'init'), join(root, 'init'));
  await chmod(join(root, 'init'), 0o755);
  const modules = await modulePaths(kernel);
  for (const path of modules) {
    // Debian compresses them since 13; the guest's busybox would have the kernel refuse each one first.
    const target = join(root, 'modules', basename(path, '.xz'));
    if (path.endsWith('.xz')) await run('sh', ['-c', 'busybox xzcat "$1" > "$2"', 'sh', path, target]);
    else await copyFile(path, target);
  }
  await writeFile(join(root, 'modules/order'), modules.map((path) => `${basename(path, '.xz')}\n`).join(''));
  await writeFile(join(root, 'settings'), settings(kernel, options));
  const archive = join(scratch, 'initramfs');
  await run('sh', ['-c', 'find . | busybox cpio -o -H newc > "$1"', 'sh', archive], { cwd: root });
  return archive;
}

/** In the order in which they can be loaded. */
async function modulePaths(kernel: Kernel): Promise<string[]> {
  const paths = new Set<string>();
  for (const name of MODULES) {
    const { stdout } = await run('modprobe', ['-d', kernel.root, '-S', kernel.release, '--show-depends', name]);
    for (const [, path] of stdout.matchAll(/^insmod (\S+)/gm)) if (path !== undefined) paths.add(path);
  }
  return [...paths];
}

/** Read by `init` and `guest.sh`. */
function settings(kernel: Kernel, options: GuestOptions): string {
  const values = {
    repository: REPOSITORY,
    release: kernel.release,
    modules: join(kernel.root, 'lib/modules', kernel.release),
    node: dirname(process.execPath),
    ...options,
  };
  const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
  return Object.entries(values)
    .map(([name, value]) => `${name}=${quote(value)}\n`)
    .join('');
}
