import { EngineError } from '../../model/errors.ts';
import type { OciUser } from './oci.ts';
import { RootFilesystem, type SnapshotMount } from './root.ts';

/** moby/sys/user: the largest id is MaxInt32. */
const MAX_ID = 0x7fffffff;
/** Larger is no /etc/passwd. Bytes */
const MAX_FILE = 4 << 20;

/** The texts of /etc/passwd and /etc/group; undefined: there is no such file. */
export interface AccountFiles {
  readonly passwd?: string | undefined;
  readonly group?: string | undefined;
}

/**
 * Looks a user up in a container's own files, which its snapshot's mounts lead to.
 *
 * @param user '', name, id, name:group, id:group, … as `docker run -u`
 * @param groupAdd names or ids, as `--group-add`
 * @throws EngineError internal `unable to find user foo: no matching entries in passwd file`
 */
export function resolveUser(mounts: readonly SnapshotMount[], user: string, groupAdd: readonly string[]): OciUser {
  using root = RootFilesystem.open(mounts);
  const read = (path: string) => root.readFile(path, MAX_FILE)?.toString('utf8');
  return findUser({ passwd: read('/etc/passwd'), group: read('/etc/group') }, user, groupAdd);
}

/** The same, pure. The rules are those of moby/sys/user: numbers are never taken for names. */
export function findUser(files: AccountFiles, text: string, groupAdd: readonly string[]): OciUser {
  const [user = '', group = ''] = text.split(':');
  const account = findAccount(files, user);
  const groups = parseGroups(files.group);
  const gid = group === '' ? account.gid : findGroup(groups, group);
  const member = group === '' && account.name !== undefined;
  const own = member ? groups.filter((entry) => entry.members.includes(account.name ?? '')) : [];
  const added = groupAdd.map((name) => findAddedGroup(groups, name));
  return { uid: account.uid, gid, additionalGids: [...new Set([gid, ...own.map((entry) => entry.gid), ...added])] };
}

/** A line of passwd(5); without a name when only a number was asked for. */
interface Account {
  readonly name?: string | undefined;
  readonly uid: number;
  readonly gid: number;
}

/** A line of group(5). */
interface Group {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

function findAccount(files: AccountFiles, user: string): Account {
  const id = user === '' ? 0 : parseId(user);
  const found = entries(files.passwd, [2, 3]).find(([name, , uid]) =>
    id === undefined ? name === user : Number(uid) === id,
  );
  if (found !== undefined) return { name: found[0], uid: Number(found[2] ?? 0), gid: Number(found[3] ?? 0) };
  if (id !== undefined) return { uid: id, gid: 0 };
  throw new EngineError('internal', `unable to find user ${user}: no matching entries in passwd file`);
}

function findGroup(groups: readonly Group[], wanted: string): number {
  const id = parseId(wanted);
  if (id !== undefined) return id;
  const found = groups.find((group) => group.name === wanted);
  if (found !== undefined) return found.gid;
  throw new EngineError('internal', `unable to find group ${wanted}: no matching entries in group file`);
}

/** Docker's sentence begins with a capital here. */
function findAddedGroup(groups: readonly Group[], wanted: string): number {
  const id = parseId(wanted) ?? groups.find((group) => group.name === wanted)?.gid;
  if (id !== undefined) return id;
  throw new EngineError('internal', `Unable to find group ${wanted}: no matching entries in group file`);
}

/** undefined: it is a name. */
function parseId(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const id = Number(text);
  if (id >= 0 && id <= MAX_ID) return id;
  throw new EngineError('internal', `uids and gids must be in range 0-${MAX_ID}`);
}

function parseGroups(text: string | undefined): Group[] {
  return entries(text, [2]).map(([name = '', , gid, members = '']) => ({
    name,
    gid: Number(gid ?? 0),
    members: members.split(',').map((member) => member.trim()),
  }));
}

/**
 * Lines split at colons, as glibc reads them: comments and blank lines are skipped; nonsense for a number is no entry.
 * @param numbers which fields hold ids; one that is missing is 0
 */
function entries(text: string | undefined, numbers: readonly number[]): string[][] {
  const lines = (text ?? '').split('\n').map((line) => line.trim());
  const fields = lines.filter((line) => line !== '' && !line.startsWith('#')).map((line) => line.split(':'));
  return fields.filter((line) => numbers.every((at) => isId(line[at] ?? '0')));
}

function isId(text: string): boolean {
  return /^\d+$/.test(text) && Number(text) <= MAX_ID;
}
