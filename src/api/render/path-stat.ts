import type { PathStat } from '../../engine/archives.ts';

/** stat(2), inode(7) */
const S_IFMT = 0o170000;
/** Go's fs.FileMode: the types, and the three bits that are not permissions, have places of their own. */
const TYPES: ReadonlyMap<number, number> = new Map([
  [0o040000, 2 ** 31], // directory
  [0o120000, 2 ** 27], // link
  [0o060000, 2 ** 26], // block device
  [0o020000, 2 ** 26 + 2 ** 21], // character device
  [0o010000, 2 ** 25], // FIFO
  [0o140000, 2 ** 24], // socket
]);
const BITS: readonly (readonly [number, number])[] = [
  [0o4000, 2 ** 23], // set-user-id
  [0o2000, 2 ** 22], // set-group-id
  [0o1000, 2 ** 20], // sticky
];

/** The header of an archive, before it is encoded. */
export function renderPathStat(stat: PathStat) {
  return {
    name: stat.name,
    size: stat.size,
    mode: goMode(stat.mode),
    mtime: renderTime(stat.modified),
    linkTarget: stat.linkTarget,
  };
}

function goMode(mode: number): number {
  const bits = BITS.reduce((sum, [bit, value]) => sum + ((mode & bit) === 0 ? 0 : value), 0);
  return (mode & 0o777) + bits + (TYPES.get(mode & S_IFMT) ?? 0);
}

/** RFC 3339 with nanoseconds. */
function renderTime(nanoseconds: bigint): string {
  const seconds = new Date(Number(nanoseconds / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(nanoseconds % 1_000_000_000n).padStart(9, '0')}Z`;
}
