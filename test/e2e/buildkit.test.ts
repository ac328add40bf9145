import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { BuildKitClient, directory, type Folder, file, folderOf } from '../buildkit-client.ts';
import { Builds } from '../builds.ts';
import { Buildx, told } from '../buildx.ts';
import { SOCKET, TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

describe('docker build by BuildKit', () => {
  let daemon: TestDaemon;
  let builds: Builds;
  let buildx: Buildx;
  before(async () => {
    daemon = await TestDaemon.create();
    builds = new Builds(daemon);
    buildx = new Buildx(daemon);
  });
  after(() => daemon[Symbol.asyncDispose]());

  const run = (image: string, script: string) => daemon.ok('run', '--rm', image, 'sh', '-c', script);

  test('tells what it does as BuildKit; what is known is not done again', async () => {
    const folder = builds.context({
      Dockerfile: `# syntax=docker/dockerfile:1
FROM busybox AS made
ARG WORD=default
ENV A=1
COPY f.txt /f.txt
RUN echo $WORD > /word && cat /f.txt && printf end
FROM nosuch AS unused
FROM made
WORKDIR /srv
COPY --from=made /word one
CMD ["cat","/word"]
`,
      'f.txt': 'file\n',
    });
    const args = ['-t', 'told:1', '-t', 'told', '--build-arg', 'WORD=given', '--label', 'l=1', folder];
    assert.equal(
      await buildx.ok(...args),
      `[internal] load build definition from Dockerfile
[internal] load .dockerignore
[internal] load metadata for docker.io/library/busybox:latest
[internal] load build context
[made 1/3] FROM docker.io/library/busybox:latest
[made 2/3] COPY f.txt /f.txt
[made 3/3] RUN echo $WORD > /word && cat /f.txt && printf end
file
end
[stage-2 1/2] WORKDIR /srv
[stage-2 2/2] COPY --from=made /word one
exporting to image
writing image sha256:ID
naming to docker.io/library/told:1
naming to docker.io/library/told:latest`,
    );
    assert.equal(await daemon.ok('run', '--rm', 'told:1'), 'given');
    assert.equal(await run('told', 'cat one; echo $A'), 'given\n1');
    assert.equal(await daemon.ok('image', 'inspect', '-f', '{{json .Config.Labels}}', 'told'), '{"l":"1"}');
    assert.equal((await buildx.ok(...args)).match(/^CACHED$/gm)?.length, 4);
    const id = await daemon.ok('image', 'inspect', '-f', '{{.Id}}', 'told');
    const quiet = await buildx.docker('build', '-q', '--build-arg', 'WORD=given', '--label', 'l=1', folder);
    assert.equal(quiet.stdout, `${id}\n`);
    const env = { DOCKER_BUILDKIT: '0' };
    const known = ['--build-arg', 'WORD=given', '--label', 'l=1', folder];
    await buildx.ok('--target', 'made', ...known);
    const classic = (await daemon.docker(['build', '-t', 'classic', '--target', 'made', ...known], { env })).stdout;
    assert.equal(classic.match(/Using cache/g)?.length, 5, 'both builders have one cache');
    assert.doesNotMatch(await buildx.ok('--no-cache', ...args), /CACHED/);
    await daemon.ok('rmi', 'told:1', 'told', 'classic');
    await builds.nothingLeft();
  });

  test('targets, networks, hosts and limits', async () => {
    const folder = builds.context({
      Dockerfile:
        'FROM busybox AS first\nRUN ls /sys/class/net | tr "\\n" " "; cat /etc/hosts; ulimit -n; df -m /dev/shm\nFROM nosuch\n',
    });
    const args = ['--no-cache', '--target', 'first', folder];
    const plain = await buildx.ok('--add-host', 'db:10.1.2.3', '--ulimit', 'nofile=99:99', '--shm-size', '8m', ...args);
    assert.match(plain, /^eth0 lo /m);
    assert.match(plain, /^10\.1\.2\.3\s+db$/m);
    assert.match(plain, /^99$/m);
    assert.match(plain, /^shm +8 /m);
    assert.doesNotMatch(await buildx.ok('--network', 'none', ...args), /eth0/);
    assert.match(await buildx.ok('--network', 'host', ...args), /docker0/);
    assert.match(await buildx.ok('--add-host', 'up:host-gateway', ...args), /^172\.\d+\.0\.1\s+up$/m);
  });

  test('ignored files are not sent, and only what is copied is', async () => {
    const files = {
      Dockerfile: 'FROM busybox\nCOPY . /all\nRUN find /all -type f | sort\n',
      'Part.Dockerfile': 'FROM busybox\nCOPY src/*.c /part/\nRUN find /part -type f | sort\n',
      'Own.Dockerfile': 'FROM busybox\nCOPY . /own\nRUN find /own -type f | sort\n',
      'Own.Dockerfile.dockerignore': '*\n!src/b.c\n',
      '.dockerignore': 'out\n*.Dockerfile*\n',
      'src/a.c': 'a',
      'src/b.c': 'b',
      'src/ü.h': 'h',
      'out/secret': 's',
    };
    const folder = builds.context(files);
    assert.match(
      await buildx.ok(folder),
      /\n\/all\/\.dockerignore\n\/all\/Dockerfile\n\/all\/src\/a\.c\n\/all\/src\/b\.c\n\/all\/src\/ü\.h\n/,
    );
    assert.match(await buildx.ok('-f', `${folder}/Part.Dockerfile`, folder), /\n\/part\/a\.c\n\/part\/b\.c\n/);
    assert.match(await buildx.ok('-f', `${folder}/Own.Dockerfile`, folder), /sort\n\/own\/src\/b\.c\nexporting/);
    const missing = await buildx.fails('-f', `${folder}/Nosuch`, folder);
    assert.match(missing, /failed to read dockerfile: open Nosuch: no such file or directory/);
    const elsewhere = builds.context({ Other: 'FROM busybox\nCOPY src/a.c /a\nRUN cat /a; echo .\n' });
    assert.match(await buildx.ok('-f', `${elsewhere}/Other`, folder), /^a\.$/m);
    const stdin = `docker build --progress=plain -f - ${folder} <<E\nFROM busybox\nCOPY src/b.c /b\nRUN cat /b; echo .\nE`;
    const piped = await buildx.shell(stdin);
    assert.match(told(piped.stderr), /^b\.$/m, piped.stderr);
  });

  test('files come as they are: many, large, links, modes', async () => {
    const folder = builds.context({
      Dockerfile:
        'FROM busybox\nCOPY . /all\nRUN cd /all && find . -type f ! -name Dockerfile | sort | xargs sha256sum | sha256sum; ls -l\n',
      'run.sh': 'true\n',
    });
    const host = daemon.host;
    await host.shell(`cd ${folder}; mkdir many; for i in $(seq 1000); do echo $i > many/file-$i; done; chmod 751 run.sh
      head -c 30000000 /dev/urandom > large; ln -s many/file-1 link; ln run.sh hard; ln -s /etc/passwd out; touch -d 2001-02-03T04:05:06 many`);
    const expected = await host.shell(
      `cd ${folder}; find . -type f ! -name Dockerfile | sort | xargs sha256sum | sha256sum`,
    );
    const output = await buildx.ok('-t', 'files', folder);
    assert.ok(output.includes(expected.split(' ')[0] ?? ''), output);
    assert.match(output, /^lrwxrwxrwx .* link -> many\/file-1$/m);
    assert.match(output, /^-rwxr-x--x +2 .* run\.sh$/m);
    assert.match(output, /^drwxr-xr-x .* Feb {2}3 +2001 many$/m);
  });

  test('secrets are there for the command, and nowhere else', async () => {
    const folder = builds.context({
      Dockerfile:
        'FROM busybox\nRUN --mount=type=secret,id=token --mount=type=secret,id=other,target=/o,required=false cat /run/secrets/token; ls -l /o || true\nRUN ls /run/secrets; true\n',
      token: 'h1dden-token\n',
    });
    const output = await buildx.ok('--no-cache', '--secret', `id=token,src=${folder}/token`, '-t', 'secret', folder);
    assert.match(output, /\nh1dden-token\n/);
    assert.match(output, /ls: \/o: No such file/);
    assert.equal((await run('secret', 'grep -r h1dden-token /run /root /etc /tmp; true')).includes('h1dden'), false);
    await builds.nothingLeft();
    assert.equal(await daemon.host.shell('grep -rl h1dden-token /run/data/builds || true'), '');
  });

  test('failures have BuildKit’s words, the step and the lines', async () => {
    const folder = builds.context({ Dockerfile: 'FROM busybox\nRUN echo before \\\n  && exit 3\nRUN never\n' });
    const failed = await buildx.fails('--no-cache', folder);
    assert.match(
      failed,
      /#\d+ \[2\/3\] RUN echo before +&& exit 3\n#\d+ \d\.\d+ before\n#\d+ ERROR: process "\/bin\/sh -c echo before +&& exit 3" did not complete successfully: exit code: 3\n/,
    );
    assert.match(failed, / > \[2\/3\] RUN echo before/);
    assert.match(
      failed,
      /Dockerfile:2\n-+\n +1 \| +FROM busybox\n +2 \| >>> RUN echo before \\\n +3 \| >>> {3}&& exit 3\n/,
    );
    assert.match(
      failed,
      /ERROR: (?:failed to build: )?failed to solve: process "\/bin\/sh -c echo before +&& exit 3" did not complete successfully: exit code: 3\n/,
    );
    const missing = await buildx.fails(builds.context({ Dockerfile: 'FROM busybox\nCOPY nosuch /x\n' }));
    assert.match(missing, /failed to solve: failed to compute cache key: "\/nosuch": not found/);
    const wrong = await buildx.fails(builds.context({ Dockerfile: 'FROM busybox\nFLY away\n' }));
    assert.match(wrong, />>> FLY away\n[\s\S]*dockerfile parse error on line 2: unknown instruction: FLY/);
    assert.match(
      await buildx.fails(builds.context({ Dockerfile: 'FROM localhost:1/x\n' })),
      /ERROR: (?:failed to build: )?failed to solve: .*localhost:1/,
    );
  });

  test('what is not supported is refused by its name', async () => {
    const folder = builds.context({ Dockerfile: 'FROM busybox\n' });
    const other = builds.context({ Dockerfile: '# syntax=example.org/other:1\nFROM busybox\n' });
    assert.match(await buildx.fails(other), /the frontend example\.org\/other:1 is not supported by Fairway yet/);
    for (const [words, args] of [
      [/--platform linux\/s390x/, ['--platform', 'linux/s390x']],
      [/--no-cache-filter/, ['--no-cache-filter', 'x']],
      [/--cgroup-parent/, ['--cgroup-parent', '/x']],
      [/the frontend x/, ['--build-arg', 'BUILDKIT_SYNTAX=x']],
    ] as const) {
      const said = await buildx.fails(...args, folder);
      assert.match(said, words);
      assert.match(said, /is not supported by Fairway yet/);
    }
    await using client = new BuildKitClient(daemon.host.path(SOCKET));
    const checked = client.solve({}, { requestid: 'frontend.lint' });
    await assert.rejects(checked, /--check, or another --call, is not supported by Fairway yet/);
    const hinted = await buildx.ok('--cache-from', 'busybox', '--build-arg', 'BUILDKIT_INLINE_CACHE=1', folder);
    assert.match(hinted, /WARN: --cache-from has no effect/);
    assert.match(hinted, /WARN: --cache-to type=inline has no effect/);
  });

  test('a client that leaves ends its build', async () => {
    const folder = builds.context({ Dockerfile: 'FROM busybox\nRUN echo begun; sleep 987\n' });
    const command = ['sh', '-c', 'echo $$; exec "$@"', 'sh', 'docker', 'build', '--progress=plain', folder];
    const client = daemon.host.spawn(command, buildx.env);
    let heard = '';
    for (const stream of [client.stdout, client.stderr])
      stream?.on('data', (chunk: Buffer) => (heard += chunk.toString()));
    await eventually('the command runs', () => /begun$/m.test(heard));
    await daemon.host.exec(['kill', '-INT', heard.split('\n')[0] ?? '']);
    await builds.nothingLeft();
    await builds.nobodyWorks();
    assert.doesNotMatch(await daemon.host.shell('ps ax'), /sleep 987/);
  });

  test('bake builds two targets; buildx shows, and takes away', async () => {
    const folder = builds.context({
      Dockerfile: 'FROM busybox AS one\nARG N\nRUN echo one $N > /n\nFROM one AS two\nRUN echo two $N >> /n\n',
      'docker-bake.hcl': `group "default" { targets = ["a", "b"] }
target "a" {
  target = "one"
  args = { N = "1" }
  tags = ["baked:a"]
}
target "b" {
  target = "two"
  args = { N = "2" }
  tags = ["baked:b"]
}
`,
    });
    const baked = await buildx.shell(`cd ${folder} && docker buildx bake --progress=plain`);
    assert.equal(baked.code, 0, baked.stderr);
    assert.equal(await run('baked:a', 'cat /n'), 'one 1');
    assert.equal(await run('baked:b', 'cat /n'), 'one 2\ntwo');
    assert.match((await buildx.docker('buildx', 'ls')).stdout, /default +running +\S+ +linux\/\w+/);
    assert.match((await buildx.docker('buildx', 'inspect')).stdout, /Driver: +docker\n[\s\S]*Status: +running/);
    assert.match((await buildx.docker('buildx', 'du')).stdout, /Total:\t\t\d/);
    const pruned = await buildx.docker('buildx', 'prune', '-f', '--all');
    assert.match(pruned.stdout, /Total:\t\d/, pruned.stderr);
    assert.match((await buildx.docker('buildx', 'du')).stdout, /Total:\t\t0B/);
  });

  describe('hostile clients', () => {
    const definition = folderOf({ Dockerfile: 'FROM busybox\nCOPY . /all\n' });
    /** What a build with this context fails with. */
    async function refused(context: Folder): Promise<string> {
      await using client = new BuildKitClient(daemon.host.path(SOCKET));
      const folder: Folder = (sender, follow) =>
        follow.length > 0 ? folderOf({})(sender, follow) : context(sender, follow);
      return client.solve({ dockerfile: definition, context: folder }).then(
        () => assert.fail('it was built'),
        (error: Error) => error.message,
      );
    }
    const describing =
      (...stats: object[]): Folder =>
      (sender) => {
        for (const stat of stats) sender.send({ type: 'stat', stat });
        sender.send({ type: 'stat' });
      };

    test('a client of the test’s own can build', async () => {
      await using client = new BuildKitClient(daemon.host.path(SOCKET));
      const context = folderOf({ a: 'a' });
      const { exporterResponse } = await client.solve({ dockerfile: definition, context });
      assert.match(exporterResponse['containerimage.config.digest'] ?? '', /^sha256:[0-9a-f]{64}$/);
    });

    test('names that lead elsewhere', async () => {
      for (const path of [
        '../x',
        '/x',
        'a/../../x',
        '..',
        '.',
        '',
        'a//b',
        'x\0y',
        'n'.repeat(256),
        'd/'.repeat(2100),
      ]) {
        assert.match(await refused(describing(directory('a'), file(path, 1))), /the client sent a file with the name/);
      }
      const through = [file('a', 0, { mode: 2 ** 27 + 0o777, linkName: '/run' }), file('a/x', 1)];
      assert.match(await refused(describing(...through)), /without the folder it is in/);
      const left = [directory('a'), directory('b'), file('a/x', 1)];
      assert.match(await refused(describing(...left)), /without the folder it is in/);
      for (const linkName of ['../x', '/etc/passwd']) {
        assert.match(await refused(describing(file('a', 0, { linkName }))), /sent "a" as a link to/);
      }
      assert.match(await refused(describing(file('a', -1))), /with a size of -1 bytes/);
    });

    test('content that nobody asked for, or too much of it', async () => {
      assert.match(
        await refused((sender) => sender.send({ type: 'data', id: 7, data: Buffer.from('x') })),
        /was not asked for: 7/,
      );
      const more: Folder = async (sender) => {
        sender.send({ type: 'stat', stat: file('large', 100_000) });
        sender.send({ type: 'stat' });
        const { id } = await sender.receive();
        for (let n = 0; n < 20; n++) sender.send({ type: 'data', id, data: Buffer.alloc(10_000) });
      };
      assert.match(await refused(more), /"large" changed while it was sent/);
      const grown: Folder = async (sender) => {
        sender.send({ type: 'stat', stat: file('small', 1) });
        sender.send({ type: 'stat' });
        const { id } = await sender.receive();
        for (let n = 0; n < 200; n++) sender.send({ type: 'data', id, data: Buffer.alloc(10_000) });
      };
      assert.match(await refused(grown), /"small" changed while it was sent/);
      assert.match(await refused((sender) => sender.sendRaw(Buffer.alloc(100_000, 0xff))), /malformed|message ends/);
      assert.match(
        await refused((sender) => sender.send({ type: 'error', data: Buffer.from('no') })),
        /could not send its files: no/,
      );
    });

    test('a flood of descriptions ends the build, not the daemon', async () => {
      const name = 'n'.repeat(250);
      const flood: Folder = (sender) => {
        for (let n = 0; n < 200_000; n++) sender.send({ type: 'stat', stat: file(`${n}${name}`.slice(0, 250), 1) });
      };
      assert.match(await refused(flood), /described too many files at once/);
      assert.equal((await daemon.api('GET', '/_ping')).body, 'OK');
    });

    test('more files than a Dockerfile is', async () => {
      await using client = new BuildKitClient(daemon.host.path(SOCKET));
      const many: Folder = async (sender) => {
        for (let n = 0; n < 1000; n++) sender.send({ type: 'stat', stat: file(`f${n}`, 1) });
        sender.send({ type: 'stat' });
        for (;;) {
          const { id } = await sender.receive();
          sender.send({ type: 'data', id, data: Buffer.from('x') });
          sender.send({ type: 'data', id });
        }
      };
      await assert.rejects(client.solve({ dockerfile: many }), /more files than it was asked for/);
    });

    test('one that never answers holds nobody else, and leaves nothing', async () => {
      const client = new BuildKitClient(daemon.host.path(SOCKET));
      const silent = client
        .solve({ dockerfile: definition, context: () => undefined })
        .catch((error: Error) => error.message);
      await buildx.ok(builds.context({ Dockerfile: 'FROM busybox\n' }));
      await client[Symbol.asyncDispose]();
      assert.match(String(await silent), /control: /);
      await builds.nothingLeft();
    });

    test('HTTP/2 that does not wait for an answer, is none, or breaks off', async () => {
      const path = daemon.host.path(SOCKET);
      for (const [route, body] of [
        ['/grpc', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'],
        ['/grpc', 'GET / HTTP/1.1\r\n\r\n'],
        ['/session', '\0'.repeat(3000)],
      ] as const) {
        for (const wait of [true, false]) {
          const socket = connect(path).on('error', () => undefined);
          const head = 'Host: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nX-Docker-Expose-Session-Uuid: early\r\n';
          socket.write(`POST ${route} HTTP/1.1\r\n${head}\r\n${body}`);
          if (wait) assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 101 /);
          socket.destroy();
        }
      }
      await buildx.ok(builds.context({ Dockerfile: 'FROM busybox\n' }));
      assert.doesNotMatch(daemon.log, /"level":50/);
    });

    test('requests that are no upgrade, or have no session', async () => {
      assert.match((await daemon.api('POST', '/grpc')).body, /no upgrade proto in request/);
      assert.match((await daemon.api('POST', '/session')).body, /no upgrade proto in request/);
      const asked = (...headers: string[]) =>
        daemon.host.shell(
          `curl -s --unix-socket ${SOCKET} -X POST ${headers.map((header) => `-H '${header}'`).join(' ')} http://d/session`,
        );
      assert.match(await asked('Connection: Upgrade', 'Upgrade: h2c'), /invalid session id/);
      assert.match(await asked('Connection: Upgrade', 'Upgrade: foo'), /protocol foo not supported/);
      assert.match(await asked('Upgrade: h2c'), /invalid session id/);
      const socket = connect(daemon.host.path(SOCKET));
      socket.write('POST /grpc HTTP/1.1\r\nHost: d\r\nUpgrade: h2c\r\n\r\n');
      assert.match(String(await once(socket, 'data')), /^HTTP\/1\.1 101 /);
      // The preface and empty settings (RFC 9113, 3.4); they are answered with settings, whose type is 4.
      socket.write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'));
      const [settings] = (await once(socket, 'data')) as [Buffer];
      assert.equal(settings[3], 4);
      socket.destroy();
    });
  });
});
