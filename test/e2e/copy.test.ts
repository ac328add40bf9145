import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { SOCKET, TestDaemon } from '../daemon.ts';
import { busyboxTar } from '../fixtures.ts';
import { eventually } from '../host.ts';

/** Moves a directory and a link to a directory of the host to the same place, in turn, as fast as it can. */
const SWAPPING = `cd /s; mkdir d; echo inside > d/file; ln -s /run/secret l
  while :; do mv d x; mv x d; mv l x; mv x l; done`;

describe('docker cp, diff and export', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.host.shell(`set -e; mkdir -p /run/w/tree/deep /run/secret /run/bound; cd /run/w
      echo one > file; echo two > tree/deep/two; ln -s deep/two tree/link; chown 5:6 tree/deep/two; chmod 4750 tree/deep/two
      echo secret > /run/secret/file`);
    await daemon.ok(
      'run',
      '-d',
      '--name',
      'box',
      '-v',
      'vol:/vol',
      '-v',
      '/run/bound:/bound:ro',
      'busybox',
      'sleep',
      '600',
    );
    await daemon.ok('create', '--name', 'still', '-v', 'vol:/vol', 'busybox', 'true');
  });
  after(() => daemon[Symbol.asyncDispose]());

  const sh = (script: string) => daemon.host.exec(['sh', '-c', `cd /run/w; ${script}`], { env: daemon.env() });
  const ok = async (script: string) => {
    const { code, stdout, stderr } = await sh(script);
    assert.equal(code, 0, `${script}: ${stderr}`);
    return stdout.trimEnd();
  };
  const fails = async (words: RegExp, script: string) => {
    const { code, stderr } = await sh(script);
    assert.notEqual(code, 0, script);
    assert.match(stderr, words);
  };

  for (const name of ['box', 'still']) {
    test(`files and directories to and from a container that ${name === 'box' ? 'runs' : 'never ran'}`, async () => {
      await ok(`docker cp file ${name}:/tmp/; docker cp file ${name}:/tmp/other; docker cp tree ${name}:/home/copy`);
      await ok(`docker cp tree/. ${name}:/home/user; rm -rf back; docker cp ${name}:/home/copy back`);
      assert.equal(await ok('cat back/deep/two; readlink back/link; stat -c %a back/deep/two'), 'two\ndeep/two\n4750');
      assert.equal(await ok(`docker cp ${name}:/tmp/other - | tar xO`), 'one');
      assert.equal(await ok(`docker cp ${name}:/home/user/. - | tar t | sort`), './\n./deep/\n./deep/two\n./link');
      const names = async (path: string) => {
        const query = new URLSearchParams({ path });
        return ok(
          `curl -s --unix-socket ${SOCKET} 'http://d/containers/${name}/archive?${query}' | tar t | head -n 400 | sort -u`,
        );
      };
      assert.equal(await names('home/user/./'), './\n./deep/\n./deep/two\n./link');
      for (const root of ['.', './', '/.', '/./']) assert.match(await names(root), /^\.\/\n(.*\n)*\.\/bin\/\n/, root);
      assert.equal(await ok(`docker cp -L ${name}:/home/copy/link - | tar xO`), 'two');
      assert.equal(await ok(`docker cp ${name}:/home/copy/link - | tar tv | grep -c 'link -> deep/two'`), '1');
      assert.equal(await ok(`docker cp ${name}:/home/copy/deep/two - | tar tv --numeric-owner | grep -c ' 5/6 '`), '1');
      await ok(`tar c tree | docker cp - ${name}:/var; docker cp ${name}:/var/tree/deep/two - | tar xO | grep -qx two`);
      await ok(`tar cz tree | docker cp - ${name}:/var/www`);
      // Into a volume, and seen there by everybody.
      await ok(`docker cp file ${name}:/vol/${name}; grep -qx one /run/data/volumes/vol/_data/${name}`);
    });
  }

  test('what is not there, what is no directory, what may not be replaced', async () => {
    await fails(/Could not find the file \/nosuch in container box/, 'docker cp box:/nosuch .');
    await fails(
      /Could not find the file \/no\/such in container still|no such directory/,
      'docker cp file still:/no/such/x',
    );
    await fails(/not a directory/, 'docker cp box:/etc/passwd/ .');
    await fails(/No such container: nosuch/, 'docker cp nosuch:/etc .');
    await fails(/must be a directory/, 'tar c file | docker cp - box:/etc/passwd');
    await fails(/cannot (overwrite|copy)/, 'docker cp tree box:/etc/passwd');
    await ok('mkdir -p asdir/passwd; echo x > asfile; docker exec box mkdir -p /tmp/t/asfile');
    await fails(/cannot overwrite directory "\/tmp\/t\/asfile" with non-directory/, 'docker cp asfile box:/tmp/t');
    const { status, body } = await daemon.api('GET', '/containers/box/archive');
    assert.equal(status, 400, body);
  });

  test('read-only: a bind, a volume, the root; below them what is writable stays so', async () => {
    await fails(/mounted volume is marked read-only/, 'docker cp file box:/bound/');
    await daemon.ok(
      'create',
      '--name',
      'locked',
      '--read-only',
      '-v',
      'vol:/vol',
      '-v',
      'vol:/again:ro',
      'busybox',
      'sleep',
      '600',
    );
    for (const step of ['true', 'docker start locked']) {
      await ok(step);
      await fails(/container rootfs is marked read-only/, 'docker cp file locked:/tmp/');
      await fails(/mounted volume is marked read-only/, 'docker cp file locked:/again/');
      await ok('docker cp file locked:/vol/here; docker cp locked:/again/here - | tar xO');
    }
    assert.equal(await ok('ls /run/bound'), '');
    await daemon.ok('rm', '-f', 'locked');
  });

  test('-a gives files to the user of the container; without it they keep their owner', async () => {
    await daemon.ok('create', '--name', 'owned', '--user', 'user', 'busybox');
    await ok('chown 7:8 file; docker cp -a file owned:/tmp/a; docker cp file owned:/tmp/b');
    assert.equal(await ok('docker cp owned:/tmp/a - | tar tv --numeric-owner | grep -o "1000/1000"'), '1000/1000');
    assert.equal(await ok('docker cp owned:/tmp/b - | tar tv --numeric-owner | grep -o "7/8"'), '7/8');
    await daemon.ok('rm', 'owned');
  });

  test('links lead where the container sees them, never to the host', async () => {
    await ok(
      `docker exec box sh -c 'mkdir -p /run/secret; echo mine > /run/secret/file; ln -s /run/secret /tmp/abs; ln -s ../../../../run/secret /tmp/rel'`,
    );
    for (const link of ['abs', 'rel']) {
      assert.equal(await ok(`docker cp box:/tmp/${link}/file - | tar xO`), 'mine');
      await ok(
        `docker cp file box:/tmp/${link}/; docker exec box rm /run/secret/file; echo mine | docker exec -i box sh -c 'cat > /run/secret/file'`,
      );
    }
    assert.equal(await ok('cat /run/secret/file; ls /run/secret'), 'secret\nfile');
    await ok('docker exec box rm -r /run/secret');
  });

  test('a container that swaps a directory for a link to the host’s while cp runs', async () => {
    await daemon.ok('run', '-d', '--name', 'swapper', '-v', 'swapped:/s', 'busybox', 'sh', '-c', SWAPPING);
    for (let round = 0; round < 10; round++) {
      const { stdout } = await sh('docker cp swapper:/s/x/file - | tar xO');
      assert.ok(['', 'inside\n'].includes(stdout), `read from the host: ${stdout}`);
      await sh('tar c tree | docker cp - swapper:/s/x');
      await sh(`docker cp file swapper:/s/x/planted`);
    }
    assert.equal(await ok('cat /run/secret/file; ls /run/secret'), 'secret\nfile');
    await daemon.ok('rm', '-f', 'swapper');
    await daemon.ok('volume', 'rm', 'swapped');
  });

  test('archives made to get out: "..", absolute names, links, devices', async () => {
    await ok(`/usr/bin/python3 - <<'EOF'
import io, tarfile
def make(name, *entries):
    with tarfile.open(name, 'w') as tar:
        for path, kind, link, data in entries:
            info = tarfile.TarInfo(path); info.type = kind; info.linkname = link; info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
F, S, L = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
make('dots.tar', ('../../../../../../run/secret/dots', F, '', b'x'))
make('absolute.tar', ('/run/secret/absolute', F, '', b'x'))
make('through.tar', ('out', S, '/run/secret', b''), ('out/through', F, '', b'x'))
make('hard.tar', ('hard', L, '../../../../run/secret/file', b''))
make('long.tar', ('long', tarfile.XHDTYPE, '', b'x' * (2 << 20)))
make('over.tar', ('over', S, '/run/secret/file', b''), ('over', F, '', b'overwritten'))
EOF`);
    await ok('docker exec box mkdir -p /tmp/in');
    await fails(/is outside of "\/tmp\/in"/, 'docker cp - box:/tmp/in < dots.tar');
    await ok('docker cp - box:/tmp/in < absolute.tar; docker exec box cat /tmp/in/run/secret/absolute');
    await sh('docker cp - box:/tmp/in < through.tar');
    await fails(/./, 'docker cp - box:/tmp/in < hard.tar');
    await ok('docker cp - box:/tmp/in < over.tar; docker exec box grep -qx overwritten /tmp/in/over');
    await fails(/./, 'head -c 1500 over.tar | docker cp - box:/tmp/in');
    await fails(/archive\/tar: header field too long/, 'docker cp - box:/tmp/in < long.tar');
    assert.equal(await ok('cat /run/secret/file; ls /run/secret'), 'secret\nfile');
  });

  test('diff: what was added, changed, deleted; nothing else', async () => {
    assert.equal(await ok('docker run --name fresh busybox true; docker diff fresh; docker rm fresh > /dev/null'), '');
    await ok(
      `docker run --name changed -v /data busybox sh -c 'echo x > /tmp/x; rm /etc/shadow; echo y >> /etc/passwd; rm -r /home; mkdir /home; touch /home/new'`,
    );
    assert.deepEqual((await ok('docker diff changed')).split('\n').sort(), [
      'A /data',
      'A /home/new',
      'A /tmp/x',
      'C /etc',
      'C /etc/passwd',
      'C /home',
      'C /tmp',
      'D /etc/shadow',
      'D /home/user',
    ]);
    await ok('docker rm -v changed');
  });

  test('export: the whole root, of running and stopped containers, that import takes', async () => {
    for (const name of ['box', 'still']) {
      await ok(`docker export ${name} | docker import - ${name}:exported; docker export -o ${name}.tar ${name}`);
      assert.equal(await ok(`docker run --rm ${name}:exported cat /tmp/other`), 'one');
      assert.equal(await ok(`tar tf ${name}.tar | grep -c '^vol/.'; true`), '0', 'volumes are not in it');
    }
    const names = `tar tvf ${await busyboxTar()} | grep -c .`;
    assert.ok(Number(await ok('tar tvf still.tar | grep -c .')) > Number(await ok(names)));
  });

  test('a client that goes away in the middle leaves nothing behind', async () => {
    await ok('docker exec box dd if=/dev/zero of=/tmp/big bs=1M count=64 2>/dev/null');
    assert.equal(await ok('docker cp box:/tmp/big - | head -c 1000000 | wc -c'), '1000000');
    await ok(
      'mkfifo p; docker cp - box:/tmp < p & pid=$!; exec 9>p; tar c file >&9; kill -9 $pid; exec 9>&-; wait || true',
    );
    assert.equal(await ok('docker cp box:/tmp/big - | tar xO | wc -c'), String(64 << 20));
    // The daemon hears of a client's end in its own time.
    const left = 'grep -c /run/fairway/files /proc/mounts; ls -A /run/fairway/files';
    await eventually('nothing is left', async () => (await ok(left)) === '0');
  });

  test('a full disk is told, and nothing else suffers', async () => {
    await daemon.ok('volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', '-o', 'o=size=64k', 'small');
    await daemon.ok('create', '--name', 'tight', '-v', 'small:/small', 'busybox');
    await ok('head -c 1000000 /dev/zero > large');
    await fails(/no space left on device/i, 'docker cp large tight:/small/');
    await ok('docker cp large tight:/tmp/; docker cp tight:/tmp/large - | tar xO | cmp - large');
    await daemon.ok('rm', 'tight');
    await daemon.ok('volume', 'rm', 'small');
  });

  test('a container that swaps links under the mounts of another one that starts', async () => {
    const swap = 'cd /s; mkdir d; ln -s /run/secret l; while :; do mv d x; mv x d; mv l x; mv x l; done';
    await daemon.ok('run', '-d', '--name', 'swapper', '-v', 'swapped:/s', 'busybox', 'sh', '-c', swap);
    for (let round = 0; round < 6; round++) {
      const mounts = [
        '-v',
        'swapped:/s',
        '-v',
        'inner:/s/x/deep',
        '--mount',
        'type=volume,src=swapped,dst=/p,volume-subpath=x',
      ];
      const { stdout } = await daemon.docker([
        'run',
        '--rm',
        ...mounts,
        'busybox',
        'sh',
        '-c',
        'cat /p/file; echo planted > /s/x/deep/planted',
      ]);
      assert.doesNotMatch(stdout, /secret/);
    }
    assert.equal(await ok('cat /run/secret/file; ls /run/secret'), 'secret\nfile');
    await daemon.ok('rm', '-f', 'swapper');
  });

  test('sizes: what a container wrote, and with its image', async () => {
    await daemon.ok(
      'run',
      '--name',
      'writer',
      'busybox',
      'sh',
      '-c',
      'head -c 12345 /dev/zero > /tmp/z; rm /etc/shadow',
    );
    const [{ SizeRw, SizeRootFs }] = JSON.parse(await daemon.ok('inspect', '-s', 'writer'));
    assert.equal(SizeRw, 12345);
    const image = Number(await daemon.ok('image', 'inspect', '-f', '{{.Size}}', 'busybox'));
    assert.equal(SizeRootFs, image + 12345);
    assert.match(
      await daemon.ok('ps', '-as', '--filter', 'name=writer', '--format', '{{.Size}}'),
      /^12\.3kB \(virtual /,
    );
    await daemon.ok('rm', 'writer');
  });
});
