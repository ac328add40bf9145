import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { busyboxTar } from '../fixtures.ts';
import { eventually } from '../host.ts';

describe('volumes', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    // An image with a directory to fill volumes with, and with links that would lead out of a container's root.
    await daemon.host.shell(`set -e; mkdir /run/seed; cd /run/seed; tar xf ${await busyboxTar()}
      mkdir -m 750 data; mkdir -m 1777 data/sub; echo '#!/bin/sh' > data/sub/script; ln data/sub/script data/same
      chown 33:33 data; chown 1000:1000 data/sub; chown 1000:33 data/sub/script; chmod 4755 data/sub/script
      ln -s /etc/passwd data/link; ln -s /run/secret escape; ln -s ../../../../../../.. up; tar cf /run/seed.tar .`);
    const changes = ['--change', 'VOLUME /data', '--change', 'CMD ["sh"]'];
    await daemon.ok('import', ...changes, '/run/seed.tar', 'seeded');
  });
  after(() => daemon[Symbol.asyncDispose]());

  const run = (...args: string[]) => daemon.ok('run', '--rm', ...args);
  const fails = async (words: RegExp, ...args: string[]) => {
    const { code, stderr } = await daemon.docker(args);
    assert.notEqual(code, 0, args.join(' '));
    assert.match(stderr, words);
  };
  const volumes = async (...args: string[]) =>
    (await daemon.ok('volume', 'ls', '-q', ...args)).split('\n').filter(Boolean);

  test('create, inspect, ls with filters, rm', async () => {
    assert.equal(await daemon.ok('volume', 'create', '--label', 'a=1', 'one'), 'one');
    assert.equal(await daemon.ok('volume', 'create', 'one'), 'one');
    const anonymous = await daemon.ok('volume', 'create');
    assert.match(anonymous, /^[0-9a-f]{64}$/);
    const [shown] = JSON.parse(await daemon.ok('volume', 'inspect', 'one'));
    assert.match(shown.CreatedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.deepEqual(
      { ...shown, CreatedAt: '' },
      {
        CreatedAt: '',
        Driver: 'local',
        Labels: { a: '1' },
        Mountpoint: '/run/data/volumes/one/_data',
        Name: 'one',
        Options: null,
        Scope: 'local',
      },
    );
    assert.deepEqual(await volumes('--filter', 'label=a=1'), ['one']);
    assert.deepEqual(await volumes('--filter', 'name=on'), ['one']);
    assert.deepEqual(await volumes('--filter', 'driver=other'), []);
    await fails(/get nosuch: no such volume/, 'volume', 'rm', 'nosuch');
    await fails(/get nosuch: no such volume/, 'volume', 'inspect', 'nosuch');
    await daemon.ok('volume', 'rm', '--force', 'nosuch');
    await fails(/includes invalid characters for a local volume name/, 'volume', 'create', 'a/b');
    await fails(/invalid option: "colour"/, 'volume', 'create', '-o', 'colour=red', 'two');
    await fails(/missing required option: "device"/, 'volume', 'create', '-o', 'type=tmpfs', 'two');
    await daemon.ok('volume', 'rm', 'one', anonymous);
    assert.deepEqual(await volumes(), []);
  });

  test('a named volume keeps what containers write; one that is in use stays', async () => {
    await run('-v', 'kept:/v', 'busybox', 'sh', '-c', 'echo hello > /v/file');
    assert.equal(await run('-v', 'kept:/v:ro', 'busybox', 'cat', '/v/file'), 'hello');
    await fails(/Read-only file system/, 'run', '--rm', '-v', 'kept:/v:ro', 'busybox', 'touch', '/v/x');
    const id = await daemon.ok('create', '--name', 'holder', '-v', 'kept:/v', 'busybox');
    await fails(new RegExp(`remove kept: volume is in use - \\[${id}\\]`), 'volume', 'rm', 'kept');
    assert.deepEqual(await volumes('--filter', 'dangling=true'), []);
    const [{ Mounts }] = JSON.parse(await daemon.ok('inspect', 'holder'));
    assert.deepEqual(Mounts, [
      {
        Type: 'volume',
        Name: 'kept',
        Source: '/run/data/volumes/kept/_data',
        Destination: '/v',
        Driver: 'local',
        Mode: 'z',
        RW: true,
        Propagation: '',
      },
    ]);
    assert.equal(await daemon.ok('ps', '-aq', '--no-trunc', '--filter', 'volume=kept'), id);
    await daemon.ok('rm', '-v', 'holder');
    assert.deepEqual(await volumes(), ['kept']);
    await daemon.ok('volume', 'rm', 'kept');
  });

  test('anonymous volumes: by -v and by the image; rm keeps them, rm -v and --rm do not', async () => {
    await daemon.ok('create', '--name', 'a1', '-v', '/own', 'seeded');
    const made = await volumes();
    assert.equal(made.length, 2);
    for (const name of made) assert.match(name, /^[0-9a-f]{64}$/);
    await daemon.ok('rm', 'a1');
    assert.deepEqual(await volumes(), made);
    await daemon.ok('create', '--name', 'a2', '-v', '/own', 'seeded');
    await daemon.ok('rm', '-v', 'a2');
    assert.deepEqual(await volumes(), made);
    await run('-v', '/own', 'seeded', 'true');
    assert.deepEqual(await volumes(), made);
    await daemon.ok('volume', 'create', 'named');
    const pruned = await daemon.ok('volume', 'prune', '-f');
    assert.deepEqual(pruned.match(/[0-9a-f]{64}/g)?.sort(), made.sort());
    assert.deepEqual(await volumes(), ['named']);
    assert.match(await daemon.ok('volume', 'prune', '-f', '--all', '--filter', 'label!=keep'), /named/);
  });

  test('an empty volume gets what the image has there, owners, modes and links included; a full one does not', async () => {
    const listing = 'cd /data; stat -c "%n %a %u:%g %h" . sub sub/script same; readlink link; cat same';
    const wanted =
      '. 750 33:33 3\nsub 1777 1000:1000 2\nsub/script 4755 1000:33 2\nsame 4755 1000:33 2\n/etc/passwd\n#!/bin/sh';
    assert.equal(await run('-v', 'filled:/data', 'seeded', 'sh', '-c', listing), wanted);
    assert.equal(await run('seeded', 'sh', '-c', listing), wanted, 'an anonymous one too');
    await run('-v', 'filled:/data', 'seeded', 'rm', '-r', '/data/sub');
    assert.equal(await run('-v', 'filled:/data', 'seeded', 'ls', '/data'), 'link\nsame');
    assert.equal(await run('-v', 'bare:/data:nocopy', 'seeded', 'ls', '/data'), '');
    assert.equal(await run('--mount', 'type=volume,src=bare2,dst=/data,volume-nocopy', 'seeded', 'ls', '/data'), '');
    await daemon.ok('volume', 'rm', 'filled', 'bare', 'bare2');
  });

  test('a working directory that the image lacks is part of what a new volume is filled with', async () => {
    await daemon.ok('create', '--name', 'placed', '-v', 'placed:/new', '-w', '/new/sub', 'busybox');
    assert.equal(await daemon.ok('run', '--rm', '-v', 'placed:/seen:ro', 'busybox', 'ls', '/seen'), 'sub');
    await daemon.ok('rm', 'placed');
    await daemon.ok('volume', 'rm', 'placed');
  });

  test('a link of the image at the place of a volume leads nowhere outside', async () => {
    await daemon.host.shell('mkdir -p /run/secret; echo secret > /run/secret/file');
    // In the image, /escape leads to /run/secret as seen from the host, and /up/… far above the root.
    for (const place of ['/escape', '/up/run/secret']) {
      assert.equal(await run('-v', `trap:${place}`, 'seeded', 'ls', place), '', place);
      assert.equal(await daemon.host.shell('ls -A /run/data/volumes/trap/_data; cat /run/secret/file'), 'secret');
      await daemon.ok('volume', 'rm', 'trap');
    }
  });

  test('where an image wants a volume, however it writes the path, the user’s own takes its place', async () => {
    const paths = ['VOLUME /kept/', 'VOLUME /other//place/.', 'CMD ["sh"]'].flatMap((change) => ['--change', change]);
    await daemon.ok('import', ...paths, '/run/seed.tar', 'slashes');
    await run('-v', 'own:/kept', 'busybox', 'touch', '/kept/mine');
    await daemon.ok('create', '--name', 'slashed', '-v', 'own:/kept', '-v', '/run/seed:/other/place', 'slashes');
    const places = ['inspect', '-f', '{{range .Mounts}}{{.Type}} {{.Destination}} {{end}}', 'slashed'];
    assert.deepEqual((await daemon.ok(...places)).trim().split(' ').sort(), [
      '/kept',
      '/other/place',
      'bind',
      'volume',
    ]);
    assert.equal(await run('-v', 'own:/kept', 'slashes', 'ls', '/kept'), 'mine');
    await daemon.ok('rm', '-v', 'slashed');
    assert.deepEqual(await volumes(), ['own']);
    await daemon.ok('volume', 'rm', 'own');
    await daemon.ok('rmi', 'slashes');
  });

  test('--volumes-from, also read-only; what it brings is as the other has it', async () => {
    await daemon.ok('create', '--name', 'source', '-v', 'shared:/s', '-v', '/run/seed/etc:/e:ro', 'busybox');
    await run('--volumes-from', 'source', 'busybox', 'sh', '-c', 'echo x > /s/x; test -e /e/passwd');
    await fails(/Read-only/, 'run', '--rm', '--volumes-from', 'source:ro', 'busybox', 'touch', '/s/y');
    await fails(/No such container: nosuch/, 'run', '--rm', '--volumes-from', 'nosuch', 'busybox', 'true');
    await fails(/invalid mode: nocopy/, 'run', '--rm', '--volumes-from', 'source:nocopy', 'busybox', 'true');
    assert.equal(await run('--volumes-from', 'source', '-v', 'other:/s', 'busybox', 'ls', '/s'), '');
    await daemon.ok('rm', 'source');
    await daemon.ok('volume', 'rm', 'shared', 'other');
  });

  test('the recipe of the manual: a volume is backed up and restored with tar from a second container', async () => {
    await daemon.ok(
      'run',
      '-v',
      'dbstore:/dbdata',
      '--name',
      'dbstore',
      'busybox',
      'sh',
      '-c',
      'echo rows > /dbdata/t',
    );
    const backup = ['--volumes-from', 'dbstore', '-v', '/run/backup:/backup', 'busybox'];
    await run(...backup, 'tar', 'cf', '/backup/backup.tar', '/dbdata');
    await daemon.ok('run', '-v', '/dbdata', '--name', 'dbstore2', 'busybox', 'true');
    const restore = ['--volumes-from', 'dbstore2', '-v', '/run/backup:/backup', 'busybox'];
    await run(...restore, 'sh', '-c', 'cd /dbdata && tar xf /backup/backup.tar --strip 1');
    assert.equal(await run('--volumes-from', 'dbstore2', 'busybox', 'cat', '/dbdata/t'), 'rows');
    await daemon.ok('rm', '-v', 'dbstore', 'dbstore2');
    await daemon.ok('volume', 'rm', 'dbstore');
  });

  test('--tmpfs and --mount type=tmpfs, with their options', async () => {
    const mounted = (place: string, ...args: string[]) => run(...args, 'busybox', 'grep', ` ${place} `, '/proc/mounts');
    assert.match(
      await mounted('/t', '--tmpfs', '/t'),
      /^tmpfs \/t tmpfs rw,nosuid,nodev,noexec,relatime(,inode64)? 0 0$/,
    );
    const options = await mounted('/t', '--tmpfs', '/t:exec,size=64k,mode=700');
    assert.match(options, /^tmpfs \/t tmpfs rw,nosuid,nodev,relatime,size=64k,mode=700/);
    const mount = 'type=tmpfs,dst=/t,tmpfs-size=128k,tmpfs-mode=1770';
    assert.match(await mounted('/t', '--mount', mount), /nosuid,nodev,noexec,relatime,size=128k,mode=1770/);
    await fails(/invalid tmpfs option/, 'run', '--rm', '--tmpfs', '/t:colour=red', 'busybox', 'true');
  });

  test('--mount: a part of a volume, labels and options of a new one, a bind with its source made', async () => {
    await run(
      '-v',
      'parts:/p',
      'busybox',
      'sh',
      '-c',
      'mkdir -p /p/a/b /p/new; echo in > /p/a/b/f; ln -s / /p/out; ln -s a /p/in',
    );
    const part = (path: string) => ['--mount', `type=volume,src=parts,dst=/x,volume-subpath=${path}`, 'busybox'];
    assert.equal(await run(...part('a/b'), 'ls', '/x'), 'f');
    assert.equal(await run(...part('in/b/f'), 'cat', '/x'), 'in');
    await fails(/cannot access path .*: path concatenation escapes/, 'run', '--rm', ...part('out/etc'), 'true');
    await fails(/cannot access path/, 'run', '--rm', ...part('nosuch'), 'true');
    // What is empty gets what the image has there.
    const filled = ['--mount', 'type=volume,src=parts,dst=/var/www,volume-subpath=new', 'busybox', 'ls', '/var/www'];
    assert.equal(await run(...filled), 'index.html');
    assert.equal(await run('-v', 'parts:/p', 'busybox', 'ls', '/p/new', '/p/a'), '/p/a:\nb\n\n/p/new:\nindex.html');
    assert.equal(await daemon.host.shell('ls /run/fairway/subpaths; grep -c subpaths /proc/mounts || true'), '0');
    await run('--mount', 'type=volume,src=new,dst=/x,volume-label=k=v', 'busybox', 'true');
    assert.equal(await daemon.ok('volume', 'inspect', '-f', '{{json .Labels}}', 'new'), '{"k":"v"}');
    await fails(
      /bind source path does not exist/,
      'run',
      '--rm',
      '--mount',
      'type=bind,src=/run/nosuch,dst=/x',
      'busybox',
    );
    await daemon.ok('volume', 'rm', 'parts', 'new');
  });

  test('volumes of other file systems: mounted while they are used', async () => {
    const mounted = () => daemon.host.shell('grep -c /run/data/volumes/ /proc/mounts || true');
    await daemon.ok('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=1m,uid=1000', 'ram');
    await daemon.ok('volume', 'create', '-o', 'type=none', '-o', 'o=bind', '-o', 'device=/run/seed', 'there');
    await daemon.ok('volume', 'create', '-o', 'type=none', '-o', 'o=bind', '-o', 'device=/run/nosuch', 'nowhere');
    await daemon.ok('run', '-d', '--name', 'user', '-v', 'ram:/r', '-v', 'there:/t:ro', 'busybox', 'sleep', '600');
    assert.equal(await mounted(), '2');
    assert.equal(await daemon.ok('exec', 'user', 'sh', '-c', 'stat -c %u /r; ls /t/etc/passwd'), '1000\n/t/etc/passwd');
    await fails(/failed to mount local volume/, 'run', '--rm', '-v', 'nowhere:/x', 'busybox', 'true');
    await daemon.stop('SIGKILL');
    await daemon.start();
    assert.equal(await run('-v', 'ram:/r', 'busybox', 'stat', '-c', '%u', '/r'), '1000');
    assert.equal(await mounted(), '2', 'another container still uses them');
    await daemon.ok('rm', '-f', 'user');
    await eventually('nobody uses them', async () => (await mounted()) === '0');
    await daemon.ok('volume', 'rm', 'ram', 'there', 'nowhere');
    assert.equal(await daemon.host.shell('ls /run/seed/etc/passwd'), '/run/seed/etc/passwd');
  });

  test('events tell of a volume’s life', async () => {
    const since = await daemon.now();
    await run('-v', 'told:/x:ro', 'busybox', 'true');
    await daemon.ok('volume', 'rm', 'told');
    await daemon.ok('volume', 'prune', '-f');
    const until = await daemon.now();
    const filter = ['--since', since, '--until', until, '--filter', 'type=volume'];
    const format = '{{.Action}} {{.Actor.ID}} {{index .Actor.Attributes "read/write"}}{{.Actor.Attributes.reclaimed}}';
    const told = await daemon.ok('events', ...filter, '--format', format);
    assert.deepEqual(
      told.split('\n').map((line) => line.replaceAll('<no value>', '').trim()),
      ['create told', 'mount told false', 'unmount told', 'destroy told', 'prune  0'],
    );
  });
});

describe('volumes below roots that are links', () => {
  test('what is mounted of a volume, or in it, is let go of, and nothing of it is deleted', async () => {
    await using daemon = await TestDaemon.create([], (host) =>
      host.shell(`mkdir -p /run/real/data /run/real/exec /run/kept; echo kept > /run/kept/file
        rmdir /run/fairway; ln -s real/data /run/data; ln -s real/exec /run/fairway`),
    );
    const device = ['type=none', 'o=bind', 'device=/run/kept'].flatMap((option) => ['-o', option]);
    await daemon.ok('volume', 'create', ...device, 'mounted');
    await daemon.ok('run', '--rm', '-v', 'parts:/v', 'busybox', 'sh', '-c', 'mkdir /v/part; echo kept > /v/part/file');
    const part = ['--mount', 'type=volume,src=parts,dst=/p,volume-subpath=part'];
    for (let round = 0; round < 2; round++) {
      const read = await daemon.ok('run', '--rm', ...part, '-v', 'mounted:/m', 'busybox', 'cat', '/p/file', '/m/file');
      assert.equal(read, 'kept\nkept');
      await eventually(
        'nothing stays mounted',
        async () => !/kept|subpaths|parts/.test(await daemon.host.shell('cat /proc/self/mountinfo')),
      );
    }
    await daemon.ok('volume', 'rm', 'mounted');
    assert.equal(
      await daemon.host.shell('cat /run/kept/file /run/real/data/volumes/parts/_data/part/file'),
      'kept\nkept',
    );
    assert.equal(await daemon.ok('info', '-f', '{{.DockerRootDir}}'), '/run/real/data');
  });
});

describe('binds of what holds the daemon’s own folders', () => {
  test('what goes there goes from the container, too: another’s root is not kept busy', async () => {
    await using daemon = await TestDaemon.create([], (host) => host.shell('mount --make-rshared /run'));
    const brief = await daemon.ok('run', '-d', 'busybox', 'sleep', '600');
    await daemon.ok('run', '-d', '--name', 'watcher', '-v', '/run:/host', 'busybox', 'sleep', '600');
    const seen = async () =>
      Number(await daemon.ok('exec', 'watcher', 'sh', '-c', `grep -c ${brief} /proc/1/mountinfo || true`));
    assert.ok((await seen()) > 0);
    await daemon.ok('rm', '-f', brief);
    await eventually('it is gone from the other’s view', async () => (await seen()) === 0);
    const propagation = (container: string) => daemon.inspect(container, '{{.Mounts.0.Propagation}}');
    assert.equal(await propagation('watcher'), 'rslave');
    await daemon.ok('create', '--name', 'below', '-v', '/run/data/volumes:/v', 'busybox');
    assert.equal(await propagation('below'), 'rslave');
    await daemon.ok('create', '--name', 'elsewhere', '-v', '/run/database:/v', 'busybox');
    assert.equal(await propagation('elsewhere'), 'rprivate');
    const refused = await daemon.docker(['create', '-v', '/run/data:/v:private', 'busybox']);
    assert.match(refused.stderr, /must use either propagation mode "rslave" or "rshared" when mount source is within/);
  });
});
