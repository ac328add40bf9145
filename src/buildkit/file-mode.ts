import type { Stats } from 'node:fs';
import type { Stat } from './protos/session.ts';

export type SyncedType = 'file' | 'directory' | 'symlink' | 'link' | 'character-device' | 'block-device' | 'fifo';

/** A file of a client's, as a tar is to have it. */
export interface SyncedFile {
  /** With slashes, without a first one */
  readonly path: string;
  readonly type: SyncedType;
  /** As chmod(2) takes it */
  readonly mode: number;
  /** Bytes of the content */
  readonly size: number;
  /** Seconds since 1970 */
  readonly modified: number;
  readonly linkName: string;
  readonly major: number;
  readonly minor: number;
  /** Of a file */
  readonly content: Buffer | AsyncIterable<Buffer>;
}

/** Bits of Go's os.FileMode: https://pkg.go.dev/io/fs#FileMode */
const DIRECTORY = 1 << 31;
const SYMLINK = 1 << 27;
const DEVICE = 1 << 26;
const NAMED_PIPE = 1 << 25;
const SOCKET = 1 << 24;
const SETUID = 1 << 23;
const SETGID = 1 << 22;
const CHARACTER_DEVICE = 1 << 21;
const STICKY = 1 << 20;
const IRREGULAR = 1 << 19;
/** With what chmod(2) calls them */
const SPECIAL = [
  [SETUID, 0o4000],
  [SETGID, 0o2000],
  [STICKY, 0o1000],
] as const;

/** @returns undefined for what no tar has: sockets, and files of no known kind */
export function typeOf({ mode, linkName }: Stat): SyncedType | undefined {
  if ((mode & DIRECTORY) !== 0) return 'directory';
  if ((mode & SYMLINK) !== 0) return 'symlink';
  if ((mode & NAMED_PIPE) !== 0) return 'fifo';
  if ((mode & DEVICE) !== 0) return (mode & CHARACTER_DEVICE) === 0 ? 'block-device' : 'character-device';
  if ((mode & (SOCKET | IRREGULAR)) !== 0) return undefined;
  return linkName === '' ? 'file' : 'link';
}

export function modeOf(mode: number): number {
  return SPECIAL.reduce((bits, [theirs, ours]) => ((mode & theirs) === 0 ? bits : bits | ours), mode & 0o777);
}

/** The mode of a file as Go has it. */
export function goMode(stats: Stats): number {
  const permissions = stats.mode & 0o777;
  const special = SPECIAL.reduce((bits, [theirs, ours]) => ((stats.mode & ours) === 0 ? bits : bits | theirs), 0);
  const [type] = TYPES.find(([, is]) => is(stats)) ?? [0];
  return (permissions | special | type) >>> 0;
}

const TYPES: readonly (readonly [number, (stats: Stats) => boolean])[] = [
  [DIRECTORY, (stats) => stats.isDirectory()],
  [SYMLINK, (stats) => stats.isSymbolicLink()],
  [NAMED_PIPE, (stats) => stats.isFIFO()],
  [SOCKET, (stats) => stats.isSocket()],
  [DEVICE | CHARACTER_DEVICE, (stats) => stats.isCharacterDevice()],
  [DEVICE, (stats) => stats.isBlockDevice()],
];
