import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';

describe('--user, --group-add, --workdir', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  /** Numbers of user, group, and all groups. */
  const ids = async (...flags: string[]) =>
    (
      await daemon.ok(
        'run',
        '--rm',
        ...flags,
        'busybox',
        'sh',
        '-c',
        'echo $(id -u):$(id -g) $(grep Groups: /proc/self/status)',
      )
    ).replace(' Groups:', '');

  test('names, numbers, groups, and who is in which group', async () => {
    assert.equal(await ids(), '0:0 0');
    assert.equal(await ids('-u', 'user'), '1000:1000 29 1000');
    assert.equal(await ids('-u', '1000'), '1000:1000 29 1000');
    assert.equal(await ids('-u', 'user:www-data'), '1000:33 33');
    assert.equal(await ids('-u', 'www-data:29'), '33:29 29');
    assert.equal(await ids('-u', '4242'), '4242:0 0');
    assert.equal(await ids('-u', '4242:4343'), '4242:4343 4343');
    assert.equal(await ids('-u', 'user', '--group-add', 'www-data', '--group-add', '777'), '1000:1000 29 33 777 1000');
    assert.equal(await ids('-u', ':33'), '0:33 33');
  });

  test('who is nobody is refused', async () => {
    for (const [flags, words] of [
      [['-u', 'ghost'], 'unable to find user ghost: no matching entries in passwd file'],
      [['-u', 'user:ghosts'], 'unable to find group ghosts: no matching entries in group file'],
      [['-u', '2147483648'], 'uids and gids must be in range 0-2147483647'],
      [['--group-add', 'ghosts'], 'Unable to find group ghosts: no matching entries in group file'],
    ] as const) {
      const { code, stderr } = await daemon.docker(['run', '--rm', ...flags, 'busybox', 'true']);
      assert.ok(code !== 0 && stderr.includes(words), `${flags.join(' ')}: ${stderr}`);
    }
  });

  test('a working directory that is missing is made at the create, and is root’s; an exec’s must be there', async () => {
    const made = await daemon.ok(
      'run',
      '--rm',
      '-u',
      'user',
      '-w',
      '/srv/deep/work',
      'busybox',
      'sh',
      '-c',
      'pwd; stat -c "%u %g %a" . ..',
    );
    assert.deepEqual(made.split('\n'), ['/srv/deep/work', '0 0 755', '0 0 755']);
    await daemon.ok('create', '--name', 'never', '-w', '/srv/other/work', 'busybox', 'true');
    await daemon.host.shell('echo word > /tmp/word');
    await daemon.ok('cp', '/tmp/word', 'never:/srv/other/work');
    assert.match(await daemon.ok('diff', 'never'), /^A \/srv\/other\/work\/word$/m);
    const inTheWay = await daemon.docker(['create', '-w', '/etc/passwd', 'busybox', 'true']);
    assert.match(inTheWay.stderr, /Cannot mkdir: \/etc\/passwd is not a directory/);
    assert.equal(
      await daemon.ok('ps', '-aq', '--filter', 'status=created'),
      (await daemon.ok('inspect', '-f', '{{.Id}}', 'never')).slice(0, 12),
    );
    await daemon.ok('rm', 'never');
    await daemon.ok('run', '-d', '--name', 'there', 'busybox', 'sleep', '600');
    const refused = await daemon.docker(['exec', '-w', '/nowhere', 'there', 'pwd']);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stdout + refused.stderr, /chdir to cwd \("\/nowhere"\).*no such file or directory/);
    await daemon.ok('rm', '-f', 'there');
  });
});
