import type { TmpfsMount } from '../../model/mount.ts';
import { invalid } from '../status.ts';
import type { Fields } from './fields.ts';

/** Words that stand alone; the pairs exclude each other (moby: pkg/mount). */
const SWITCHES: readonly (readonly [string, string])[] = [
  ['ro', 'rw'],
  ['suid', 'nosuid'],
  ['dev', 'nodev'],
  ['exec', 'noexec'],
  ['async', 'sync'],
  ['atime', 'noatime'],
  ['diratime', 'nodiratime'],
  ['relatime', 'norelatime'],
  ['strictatime', 'nostrictatime'],
  ['bind', 'rbind'],
  ['private', 'rprivate'],
];
const PLAIN: readonly string[] = ['remount', 'shared', 'rshared', 'slave', 'rslave', 'unbindable', 'runbindable'];
/** tmpfs(5): words with a value. */
const VALUED: readonly string[] = ['mode', 'size', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol'];

/** "rw,size=64m": the words. @throws EngineError invalidArgument with Docker's words */
export function tmpfsOptions(text: string): string[] {
  const words = text.split(',').filter((word) => word !== '');
  for (const word of words) {
    const [name = '', value] = word.split('=');
    const known = value === undefined ? SWITCHES.flat().includes(name) || PLAIN.includes(name) : VALUED.includes(name);
    if (!known) throw invalid(`invalid tmpfs option ${JSON.stringify(word)}`);
  }
  return words;
}

/** TmpfsOptions of `--mount`. */
export function parseTmpfsMount(fields: Fields): Pick<TmpfsMount, 'options' | 'size' | 'permissions'> {
  const size = fields.integer('SizeBytes') ?? 0;
  const permissions = fields.integer('Mode') ?? 0;
  const options = fields.lists('Options').map((pair) => pair.join('='));
  fields.close();
  if (size < 0) throw invalid('invalid mount config for type "tmpfs": size must not be negative');
  return {
    options: tmpfsOptions(options.join(',')),
    ...(size > 0 ? { size } : {}),
    ...(permissions > 0 ? { permissions } : {}),
  };
}
