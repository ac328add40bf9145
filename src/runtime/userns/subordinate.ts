import { EngineError } from '../../model/errors.ts';
import type { IdRange } from '../../model/id-map.ts';

/** How many ids `--userns-remap default` takes, and the first of them where none is taken yet (useradd(8), SUB_UID_MIN). */
const COUNT = 65_536;
const FIRST = 100_000;
/** The kernel takes that many lines in a uid_map since 4.15 (user_namespaces(7)). */
const MOST_RANGES = 340;

/** A line of subuid(5): ids that a user may give to its namespaces. */
export interface SubordinateRange {
  /** A name or a number */
  readonly owner: string;
  readonly first: number;
  readonly count: number;
}

/** @param file named in errors @throws EngineError invalidArgument in Docker's words */
export function parseSubordinates(text: string, file: string): SubordinateRange[] {
  const lines = text.split('\n').map((line) => line.trim());
  return lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const fields = line.split(':');
      const [owner = '', first = '', count = ''] = fields;
      const failed = (why: string) =>
        new EngineError('invalidArgument', `cannot parse subuid/subgid information: ${why}`);
      if (fields.length !== 3) throw failed(`Format not correct for ${file} file`);
      const wrong = [first, count].find((number) => !/^\d+$/.test(number) || Number(number) > 0xffff_fffe);
      if (wrong !== undefined) {
        throw failed(`String to int conversion failed during subuid/gid parsing of ${file}: "${wrong}"`);
      }
      return { owner, first: Number(first), count: Number(count) };
    });
}

/**
 * The ids of one user: of its number when there is a line for that, else of its name. Ranges are used in the order of the file.
 * @param kind named in errors
 * @throws EngineError invalidArgument in Docker's words when there is none, or when a container's ids would not be told from the host's
 */
export function rangesOf(
  lines: readonly SubordinateRange[],
  user: { readonly name: string; readonly uid: number },
  kind: 'subuid' | 'subgid',
): IdRange[] {
  const byNumber = lines.filter(({ owner }) => owner === String(user.uid));
  const own = (byNumber.length > 0 ? byNumber : lines.filter(({ owner }) => owner === user.name)).filter(
    ({ count }) => count > 0,
  );
  if (own.length === 0) throw refuse(`no ${kind} ranges found for user "${user.name}"`);
  if (own.length > MOST_RANGES) throw refuse(`user "${user.name}" has more than ${MOST_RANGES} ${kind} ranges`);
  const ranges: IdRange[] = [];
  let container = 0;
  for (const { first, count } of own) {
    ranges.push({ container, host: first, size: count });
    container += count;
  }
  // Whether a file has been given its new owner yet is seen by the owner alone.
  const low = ranges.find(({ host }) => host < container);
  if (low !== undefined) {
    throw refuse(
      `the ${kind} range of user "${user.name}" begins with ${low.host}: it must begin above ${container - 1}`,
    );
  }
  return ranges;
}

/** Where ids of a new user can begin: above those that others have. */
export function freeRange(lines: readonly SubordinateRange[]): { readonly first: number; readonly last: number } {
  const first = lines.reduce((next, range) => Math.max(next, range.first + range.count), FIRST);
  return { first, last: first + COUNT - 1 };
}

function refuse(why: string): EngineError {
  return new EngineError('invalidArgument', `Can't create ID mappings: ${why}`);
}
