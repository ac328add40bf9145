import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { EngineError, errorMessage, hasCode } from '../../model/errors.ts';
import type { IdMaps } from '../../model/id-map.ts';
import { freeRange, parseSubordinates, rangesOf, type SubordinateRange } from './subordinate.ts';

const run = promisify(execFile);

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** What stands for DEFAULT_USER, and the user Docker makes for it */
const DEFAULT = 'default';
const DEFAULT_USER = 'dockremap';
/** As Docker takes numbers for ids: 32 bits with a sign */
const LARGEST_ID = 0x7fff_ffff;
const SUBUID = '/etc/subuid';
const SUBGID = '/etc/subgid';

interface Account {
  readonly name: string;
  readonly id: number;
}

export interface Remap {
  /** Who lends the ids, "user:group" */
  readonly owner: string;
  readonly maps: IdMaps;
}

/**
 * What `--userns-remap` means on this host. "default" makes the user dockremap and its ids when it is missing, as dockerd does.
 * @param text default, user, user:group, uid, uid:gid
 * @returns undefined for root, which cannot be mapped to itself
 * @throws EngineError invalidArgument in Docker's words
 */
export async function resolveRemap(text: string): Promise<Remap | undefined> {
  const [first = '', second, ...more] = text.split(':');
  if (more.length > 0) throw refuse(`Invalid user/group specification in --userns-remap: "${text}"`);
  const user = await findUser(first);
  const group = second === undefined ? await groupOfUser(first, user) : await findGroup(second);
  if (user.name === 'root') return undefined;
  if (first === DEFAULT) await giveRanges(user);
  const ids = { name: user.name, uid: user.id };
  const maps = {
    uids: rangesOf(readSubordinates(SUBUID), ids, 'subuid'),
    gids: rangesOf(readSubordinates(SUBGID), ids, 'subgid'),
  };
  return { owner: `${user.name}:${group.name}`, maps };
}

async function findUser(text: string): Promise<Account> {
  const uid = parseId(text);
  if (uid !== undefined) {
    return look('passwd', String(uid), (why) => `Uid ${uid} has no entry in /etc/passwd: ${why}`);
  }
  if (text !== DEFAULT) return look('passwd', text, (why) => `Error during uid lookup for "${text}": ${why}`);
  return look('passwd', DEFAULT_USER, String).catch(makeUser);
}

/** Docker wants a group of the user's name or number, and uses it for nothing else. */
function groupOfUser(text: string, user: Account): Promise<Account> {
  return parseId(text) === undefined
    ? look('group', user.name, (why) => `Error during gid lookup for "${user.name}": ${why}`)
    : look('group', String(user.id), (why) => `Gid ${user.id} has no entry in /etc/group: ${why}`);
}

function findGroup(text: string): Promise<Account> {
  const gid = parseId(text);
  return gid === undefined
    ? look('group', text, (why) => `Error during groupname lookup for "${text}": ${why}`)
    : look('group', String(gid), (why) => `Gid ${gid} has no entry in /etc/passwd: ${why}`);
}

/** By getent(1), which also knows users that are in no file. @throws EngineError invalidArgument */
async function look(database: 'passwd' | 'group', key: string, words: (why: string) => string): Promise<Account> {
  try {
    const { stdout } = await run('getent', ['--', database, key], { env: { PATH } });
    const [name = '', , id = ''] = (stdout.split('\n')[0] ?? '').split(':');
    return { name, id: Number(id) };
  } catch (cause) {
    throw refuse(words(`getent unable to find entry "${key}" in ${database} database`), cause);
  }
}

async function makeUser(): Promise<Account> {
  await changeUsers('useradd', '--system', '--user-group', '--shell', '/bin/false', DEFAULT_USER);
  return look('passwd', DEFAULT_USER, String);
}

/** A system's user gets no subordinate ids by itself (useradd(8)). */
async function giveRanges({ name, id }: Account): Promise<void> {
  for (const [file, flag] of [
    [SUBUID, '--add-subuids'],
    [SUBGID, '--add-subgids'],
  ] as const) {
    const lines = readSubordinates(file);
    if (lines.some(({ owner }) => owner === name || owner === String(id))) continue;
    const { first, last } = freeRange(lines);
    await changeUsers('usermod', flag, `${first}-${last}`, name);
  }
}

async function changeUsers(program: 'useradd' | 'usermod', ...args: readonly string[]): Promise<void> {
  try {
    await run(program, args, { env: { PATH } });
  } catch (cause) {
    throw refuse(`Error during "${DEFAULT_USER}" user creation: ${errorMessage(cause).trim()}`, cause);
  }
}

/** Without the file nobody has any. */
function readSubordinates(path: string): SubordinateRange[] {
  try {
    return parseSubordinates(readFileSync(path, 'utf8'), path);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function parseId(text: string): number | undefined {
  return /^\d+$/.test(text) && Number(text) <= LARGEST_ID ? Number(text) : undefined;
}

function refuse(message: string, cause?: unknown): EngineError {
  return new EngineError('invalidArgument', message, { cause });
}
