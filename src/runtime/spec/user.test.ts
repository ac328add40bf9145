import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { RootFilesystem } from './root.ts';
import { findUser, resolveUser } from './user.ts';

const passwd = '# people\nroot:x:0:0:root:/root:/bin/sh\n\nweb:x:33:34::/var/www:\nbroken:x:abc:1::/:\n';
const group = 'root:x:0:root\nwheel:x:10:root,web\nstaff:x:50:web\nweb:x:34:\n';
const files = { passwd, group };

const known = [
  { user: '', found: { uid: 0, gid: 0, additionalGids: [0, 10] } },
  { user: 'web', found: { uid: 33, gid: 34, additionalGids: [34, 10, 50] } },
  { user: '33', found: { uid: 33, gid: 34, additionalGids: [34, 10, 50] } },
  { user: 'web:staff', found: { uid: 33, gid: 50, additionalGids: [50] } },
  { user: 'web:7', found: { uid: 33, gid: 7, additionalGids: [7] } },
  { user: '4711', found: { uid: 4711, gid: 0, additionalGids: [0] } },
  { user: ':staff', found: { uid: 0, gid: 50, additionalGids: [50] } },
];

for (const { user, found } of known) {
  test(`-u "${user}"`, () => assert.deepEqual(findUser(files, user, []), found));
}

test('groups are added by name and number, each once', () => {
  assert.deepEqual(findUser(files, 'web', ['50', 'wheel', '99']).additionalGids, [34, 10, 50, 99]);
});

test('without files there are only numbers', () => {
  assert.deepEqual(findUser({}, '', []), { uid: 0, gid: 0, additionalGids: [0] });
  assert.deepEqual(findUser({}, '5:6', []), { uid: 5, gid: 6, additionalGids: [6] });
});

test('who is not there is named in Docker’s words', () => {
  const said = (message: string) => ({ kind: 'internal', message });
  const nobody = said('unable to find user foo: no matching entries in passwd file');
  assert.throws(() => findUser(files, 'foo', []), nobody);
  assert.throws(() => findUser({}, 'foo', []), nobody);
  const noGroup = said('unable to find group foo: no matching entries in group file');
  assert.throws(() => findUser(files, 'web:foo', []), noGroup);
  assert.throws(
    () => findUser(files, '', ['foo']),
    said('Unable to find group foo: no matching entries in group file'),
  );
  assert.throws(() => findUser(files, '2147483648', []), said('uids and gids must be in range 0-2147483647'));
  assert.throws(() => findUser(files, '-1', []), said('uids and gids must be in range 0-2147483647'));
});

let directory: string;
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'fairway-root-'));
  for (const layer of ['upper/etc', 'lower/etc', 'lower/usr/etc', 'lower/deep']) {
    mkdirSync(join(directory, layer), { recursive: true });
  }
  writeFileSync(join(directory, 'secret'), 'secret:x:0:0::/:\n');
  writeFileSync(join(directory, 'lower/etc/passwd'), 'lower:x:1:1::/:\n');
  writeFileSync(join(directory, 'lower/etc/group'), 'lower:x:1:\n');
  writeFileSync(join(directory, 'upper/etc/group'), 'upper:x:2:\n');
  writeFileSync(join(directory, 'lower/usr/etc/file'), 'found');
});
after(() => rmSync(directory, { recursive: true, force: true }));

const overlay = () => [
  {
    type: 'overlay',
    source: 'overlay',
    options: ['index=off', `workdir=${directory}/work`, `upperdir=${directory}/upper`, `lowerdir=${directory}/lower`],
  },
];

function read(path: string): string | undefined {
  using root = RootFilesystem.open(overlay());
  return root.readFile(path, 1000)?.toString();
}

test('a file is read from the uppermost layer that has it', () => {
  assert.equal(read('/etc/passwd'), 'lower:x:1:1::/:\n');
  assert.equal(read('/etc/group'), 'upper:x:2:\n');
  assert.deepEqual(resolveUser(overlay(), 'lower:upper', []), { uid: 1, gid: 2, additionalGids: [2] });
});

test('links are followed within the root, and never out of it', () => {
  const link = (target: string, path: string) => symlinkSync(target, join(directory, 'lower', path));
  link('/usr/etc/file', 'absolute');
  link('../usr/etc/file', 'deep/relative');
  link('deep/relative', 'chain');
  link('usr', 'directory');
  link(`${directory}/secret`, 'out');
  link('../../../../../../../../../../../../../etc/passwd', 'deep/up');
  link('loop', 'loop');
  for (const path of ['/absolute', '/deep/relative', '/chain', '/directory/etc/file', '/deep/../usr/./etc//file']) {
    assert.equal(read(path), 'found', path);
  }
  assert.equal(read('/out'), undefined);
  assert.equal(read('/deep/up'), 'lower:x:1:1::/:\n');
  assert.equal(read('/loop'), undefined);
  assert.equal(read('/etc'), undefined);
  assert.equal(read('/absolute/further'), undefined);
});

test('a file longer than the limit is refused', () => {
  writeFileSync(join(directory, 'lower/long'), 'x'.repeat(1001));
  assert.throws(() => read('/long'), { message: '/long in the container is longer than 1000 bytes' });
});

test('a snapshot that is one directory is read as it is; other kinds are refused', () => {
  using root = RootFilesystem.open([{ type: 'bind', source: join(directory, 'lower'), options: ['rbind'] }]);
  assert.equal(root.readFile('/etc/group', 1000)?.toString(), 'lower:x:1:\n');
  assert.throws(() => RootFilesystem.open([]), { message: 'Cannot read a snapshot of type ""' });
});
