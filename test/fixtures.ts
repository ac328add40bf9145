import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Header, Pack } from 'tar-stream';

const CACHE = join(import.meta.dirname, '../.cache');
/** Debian's package busybox-static: the same applets as everywhere, and no library to bring along. */
const BUSYBOX = '/bin/busybox';
/** Every entry's time, so that the layer's digest depends on busybox alone. */
const EPOCH = new Date('2024-01-01T00:00:00Z');

const DIRECTORIES = 'bin dev etc home home/user proc run sbin sys usr usr/bin usr/sbin var var/run var/www'.split(' ');

const FILES: Readonly<Record<string, string>> = {
  'etc/passwd': [
    'root:x:0:0:root:/root:/bin/sh',
    'daemon:x:1:1:daemon:/usr/sbin:/bin/false',
    'www-data:x:33:33:www-data:/var/www:/bin/false',
    'user:x:1000:1000:A User:/home/user:/bin/sh',
    'nobody:x:65534:65534:nobody:/nonexistent:/bin/false',
    '',
  ].join('\n'),
  'etc/group': [
    'root:x:0:',
    'daemon:x:1:',
    'tty:x:5:',
    'audio:x:29:user',
    'www-data:x:33:',
    'user:x:1000:',
    'nogroup:x:65534:',
    '',
  ].join('\n'),
  'etc/shadow': 'root:*:::::::\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
  'etc/os-release': 'NAME=BusyBox\nID=busybox\nPRETTY_NAME="BusyBox"\n',
  'var/www/index.html': 'It works: served by a container on Fairway\n',
};

/**
 * Path of a tar with a small root filesystem: busybox with its applets, users, a page to serve in /var/www. For
 * `docker import`; needs no network. Built once for what it is made of, and kept for the tests that follow.
 */
export async function busyboxTar(): Promise<string> {
  const { size, mtimeMs } = statSync(BUSYBOX);
  const recipe = createHash('sha256')
    .update(readFileSync(import.meta.filename))
    .update(`${size} ${mtimeMs}`)
    .digest('hex');
  const path = join(CACHE, `busybox-${recipe.slice(0, 16)}.tar`);
  if (!existsSync(path)) await build(path);
  return path;
}

/** It appears as a whole, whoever else builds it at the same time. */
async function build(path: string): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  const { pack: createPack } = await import('tar-stream');
  const pack = createPack();
  const unfinished = `${path}.${process.pid}`;
  const written = pipeline(pack, createWriteStream(unfinished));
  for (const name of DIRECTORIES) await add(pack, { name, type: 'directory', mode: 0o755 });
  await add(pack, { name: 'root', type: 'directory', mode: 0o700 });
  await add(pack, { name: 'tmp', type: 'directory', mode: 0o1777 });
  await add(pack, { name: 'bin/busybox', mode: 0o755 }, readFileSync(BUSYBOX));
  for (const applet of applets()) await add(pack, { name: applet, type: 'symlink', linkname: BUSYBOX });
  for (const [name, text] of Object.entries(FILES)) {
    await add(pack, { name, mode: name === 'etc/shadow' ? 0o600 : 0o644 }, Buffer.from(text));
  }
  pack.finalize();
  await written;
  renameSync(unfinished, path);
}

/** As "usr/bin/nc", without busybox itself. */
function applets(): string[] {
  const list = execFileSync(BUSYBOX, ['--list-full'], { encoding: 'utf8' }).trim().split('\n');
  return list.filter((path) => path !== 'bin/busybox');
}

function add(
  pack: Pack,
  header: Partial<Header> & Pick<Header, 'name'>,
  content: Buffer = Buffer.alloc(0),
): Promise<void> {
  return new Promise((resolve, reject) => {
    const entry = { ...header, mtime: EPOCH, uid: 0, gid: 0, size: content.length };
    pack.entry(entry, content, (error) => (error ? reject(error) : resolve()));
  });
}
