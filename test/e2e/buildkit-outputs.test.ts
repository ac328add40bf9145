import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { StatusResponse } from '../../src/buildkit/protos/control.ts';
import { BuildKitClient, folderOf } from '../buildkit-client.ts';
import { Builds } from '../builds.ts';
import { Buildx, told } from '../buildx.ts';
import { SOCKET, TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';
import { TestRegistry } from '../registry.ts';

const text = (bytes: string | Buffer) => Buffer.concat([Buffer.from([0, 0, 0, bytes.length]), Buffer.from(bytes)]);

/** One key, whose comment this is. */
function identities(comment: string): Buffer {
  const key = Buffer.concat([text('ssh-ed25519'), text(Buffer.alloc(32, 7))]);
  return text(Buffer.concat([Buffer.from([12, 0, 0, 0, 1]), text(key), text(comment)]));
}

/** htpasswd(1) with bcrypt: user, secret */
const HTPASSWD = 'user:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a';

describe('where builds by BuildKit come from and go to', () => {
  let daemon: TestDaemon;
  let builds: Builds;
  let buildx: Buildx;
  before(async () => {
    daemon = await TestDaemon.create();
    builds = new Builds(daemon);
    buildx = new Buildx(daemon);
  });
  after(() => daemon[Symbol.asyncDispose]());
  const images = () => daemon.ok('images', '-aq');

  test('files go to the client, as a folder or as a tar; the cache alone is an output, too', async () => {
    const folder = builds.context({
      Dockerfile:
        'FROM busybox AS made\nRUN mkdir -p /out/a-b /out/a/sub && cd /out && echo x > a/sub/x && echo y > a-b/y && ln -s a/sub/x link && chmod 750 a && head -c 3000000 /dev/zero > zeros && chown 7:8 a-b/y\nFROM scratch\nCOPY --from=made /out /\n',
    });
    const before = await images();
    assert.match(await buildx.ok('-o', '/run/out', folder), /^exporting to client directory$/m);
    const look =
      'cd /run/out; find . | sort; cat a/sub/x a-b/y; readlink link; stat -c "%a" a; wc -c < zeros; sha256sum zeros';
    const zeros = (await daemon.host.shell('head -c 3000000 /dev/zero | sha256sum')).split(' ')[0];
    assert.deepEqual((await daemon.host.shell(look)).trim().split('\n'), [
      ...['.', './a', './a-b', './a-b/y', './a/sub', './a/sub/x', './link', './zeros'],
      ...['x', 'y', 'a/sub/x', '750', '3000000', `${zeros}  zeros`],
    ]);
    await buildx.ok('-o', 'type=tar,dest=/run/out.tar', folder);
    const listed = (await daemon.host.shell('tar -tvf /run/out.tar --numeric-owner')).split('\n');
    assert.equal(listed.filter((line) => /^-.* 7\/8 .* a-b\/y$/.test(line)).length, 1, listed.join('\n'));
    const piped = await buildx.shell(`docker build -q -o - ${folder} | tar -xO a/sub/x`);
    assert.equal(piped.stdout, 'x\n', piped.stderr);
    assert.match(await buildx.ok('-o', 'type=cacheonly', folder), /^keeping what was built in the cache$/m);
    assert.equal(await images(), before, 'no image is made of it');
    assert.match(await buildx.fails('-o', 'type=oci,dest=/run/x', folder), /not.*support/i);
    await builds.nothingLeft();
  });

  test('a context may come as a tar, and a Dockerfile alone', async () => {
    const folder = builds.context({
      'sub/Other': 'FROM busybox\nCOPY . /all\nRUN ls -A /all\n',
      '.dockerignore': 'secret\n',
      secret: 's',
      kept: 'k',
    });
    const piped = await buildx.shell(`cd ${folder} && tar cz . | docker build --progress=plain -f sub/Other -`);
    assert.match(told(piped.stderr), /\n\.dockerignore\nkept\nsub\nexporting/, piped.stderr);
    const alone = await buildx.shell('printf "FROM busybox\\nRUN echo al\'\'one\\n" | docker build --progress=plain -');
    assert.match(told(alone.stderr), /^alone$/m, alone.stderr);
    assert.match(
      await buildx.fails('https://example.org/x.git'),
      /a remote build context is not supported by Fairway yet|git/,
    );
  });

  test('here-documents are scripts, programs and files, for both builders', async () => {
    const folder = builds.context({
      Dockerfile: `FROM busybox AS base
ENV A=1
FROM base
ARG B=2
COPY <<EOF /etc/conf
a=$A b=$B
EOF
COPY --chmod=700 <<x <<"y" /to/
x $A
x
y $A
y
RUN <<EOF
echo $A "$B" | tee /said
EOF
RUN cat <<E > /e && cat /e /etc/conf /to/* && stat -c %a /to/x
text $A
E
RUN <<S
#!/bin/sh -e
echo program
S
`,
    });
    const lines = '1 2\ntext 1\na=1 b=2\nx 1\ny $A\n700\nprogram\n';
    const output = await buildx.ok('--no-cache', '-t', 'documents', folder);
    assert.equal(
      output
        .split('\n')
        .filter((line) => lines.split('\n').includes(line))
        .join('\n'),
      lines.trim(),
    );
    assert.equal(await daemon.ok('run', '--rm', 'documents', 'cat', '/said', '/etc/conf'), '1 2\na=1 b=2');
    await buildx.ok('-o', 'type=tar,dest=/run/documents.tar', folder);
    assert.equal(await daemon.host.shell('tar -tf /run/documents.tar | grep dev/ || true'), '');
    assert.match(await builds.ok(folder), /Step 9\/9 : RUN <<S\n ---> Using cache\n/);
    await daemon.host.shell(`sed -i 's/^echo program/echo another/' ${folder}/Dockerfile`);
    assert.match(await builds.ok(folder), /\nanother\n/);
    const failing = builds.context({ Dockerfile: 'FROM busybox\nRUN <<EOF\ntrue\nexit 6\nEOF\n' });
    const failed = await buildx.fails(failing);
    assert.match(failed, /process "\/bin\/sh -c true\nexit 6" did not complete successfully: exit code: 6/);
    assert.match(failed, /2 \| >>> RUN <<EOF\n +3 \| >>> true\n +4 \| >>> exit 6\n +5 \| >>> EOF\n/);
  });

  test('other folders and images have names; flags that change nothing are taken', async () => {
    await daemon.ok('tag', 'busybox', 'tools:1');
    const folder = builds.context({
      Dockerfile:
        'FROM alpine\nCOPY --link --from=other sub/n /n\nCOPY --from=tools /bin/busybox /copied\nRUN --mount=from=other,target=/o cat /n; ls -A /o /copied\n',
    });
    const other = builds.context({ 'sub/n': 'named\n', '.dockerignore': 'left', left: 'l' });
    const contexts = ['alpine=docker-image://busybox', 'tools=docker-image://tools:1', `other=${other}`];
    const output = await buildx.ok(...contexts.flatMap((context) => ['--build-context', context]), folder);
    assert.match(output, /^\[context other\] load from client$/m);
    assert.match(
      output,
      /^\[1\/4\] FROM docker\.io\/library\/busybox:latest\n\[2\/4\] COPY --link --from=other sub\/n \/n$/m,
    );
    assert.match(output, /\nnamed\n\/copied\n\n?\/o:\n\.dockerignore\nsub\n/);
    const secret = builds.context({
      Dockerfile: 'FROM busybox\nRUN --mount=type=secret,id=nosuch,required=true true\n',
    });
    assert.match(await buildx.fails(secret), /failed to solve: secret nosuch: not found\n/);
    const remote = await buildx.fails('--build-context', 'x=https://example.org/x.git', folder);
    assert.match(remote, /--build-context x=https:\/\/example\.org\/x\.git is not supported by Fairway yet/);
    await builds.nothingLeft();
  });

  test('what one target of a bake makes is a context of another', async () => {
    const folder = builds.context({
      'base/Dockerfile': 'FROM busybox\nRUN echo made > /made\n',
      'app/Dockerfile': 'FROM base\nCOPY --from=base /made /copied\nRUN cat /made /copied\n',
      'docker-bake.hcl': `group "default" { targets = ["app"] }
target "base" {
  context = "base"
}
target "app" {
  context = "app"
  contexts = {
    base = "target:base"
  }
  tags = ["linked"]
}
`,
    });
    const baked = await buildx.shell(`cd ${folder} && docker buildx bake --progress=plain`);
    assert.equal(baked.code, 0, baked.stderr);
    assert.match(told(baked.stderr), /\nmade\nmade\n/);
    assert.equal(await daemon.ok('run', '--rm', 'linked', 'cat', '/copied'), 'made');
  });

  test('a command asks the client’s SSH agent', async () => {
    const path = daemon.host.path('/run/agent');
    const agent = createServer((socket) => {
      // Whatever is asked, there is one key (draft-ietf-sshm-ssh-agent, SSH_AGENT_IDENTITIES_ANSWER).
      socket.on('data', () => socket.write(identities('the-key-of-the-client')));
    });
    await new Promise<void>((resolve) => agent.listen(path, resolve));
    try {
      const ask = 'printf "\\\\0\\\\0\\\\0\\\\1\\\\013" | socat -t 2 - UNIX-CONNECT:$SSH_AUTH_SOCK';
      const folder = builds.context({
        Dockerfile: `FROM busybox\nCOPY root /\nRUN --mount=type=ssh ${ask} | tr -cd "a-z0-9-"; echo .\nRUN echo now:$SSH_AUTH_SOCK.\n`,
      });
      const programs = '/usr/bin/socat $(ldd /usr/bin/socat | grep -o "/[^ ]*")';
      await daemon.host.shell(`mkdir ${folder}/root; cp -L --parents ${programs} ${folder}/root`);
      const output = await buildx.ok('--no-cache', '--ssh', 'default=/run/agent', folder);
      assert.match(output, /the-key-of-the-client\.\n/);
      assert.match(output, /^now:\.$/m);
      await builds.nothingLeft();
    } finally {
      agent.close();
    }
  });

  test('what a command keeps by a cache mount is there for the next build, until it is pruned', async () => {
    const script = 'RUN --mount=type=cache,target=/kept echo x >> /kept/x; wc -l < /kept/x; ls /kept';
    const folder = builds.context({ Dockerfile: `FROM busybox\n${script}\nRUN ls -A /kept || echo gone\n` });
    const count = async () => /^(\d+)$/m.exec(await buildx.ok('--no-cache', '-t', 'keeping', folder))?.[1];
    assert.deepEqual([await count(), await count(), await count()], ['1', '2', '3']);
    assert.equal(await daemon.ok('run', '--rm', 'keeping', 'sh', '-c', 'ls -A /kept || echo none'), 'none');
    await daemon.ok('builder', 'prune', '-f');
    assert.equal(await count(), '1');
  });

  test('credentials are asked of the client, for a base and for a push', async () => {
    await daemon.host.out(['sh', '-c', 'cat > /run/htpasswd'], { input: `${HTPASSWD}\n` });
    const auth = '  htpasswd: {realm: test, path: /run/htpasswd}';
    const registry = await TestRegistry.start(daemon.host, { port: 5000, auth, user: 'user:secret' });
    const name = `${registry.address}/team/base`;
    const base = builds.context({ Dockerfile: 'FROM busybox\nENV WORD=pulled\n' });
    assert.match(await buildx.fails('--push', '-t', name, base), /no basic auth credentials|unauthorized|401/i);
    const login = ['login', '-u', 'user', '--password-stdin', registry.address];
    await daemon.docker(login, { input: 'secret' });
    await buildx.ok('--push', '-t', name, base);
    await daemon.ok('rmi', name);
    const folder = builds.context({ Dockerfile: `FROM ${name}\nRUN echo $WORD\n` });
    const pulled = await buildx.ok('--pull', folder);
    assert.match(pulled, new RegExp(`load metadata for ${name}:latest\n`));
    assert.match(pulled, /\npulled\n/);
    await daemon.ok('rmi', '-f', name);
    await daemon.ok('logout', registry.address);
    assert.match(await buildx.fails('--pull', folder), /no basic auth credentials/);
    await using client = new BuildKitClient(daemon.host.path(SOCKET));
    const asked = async (secret: string) => {
      const session = await client.identity({ username: 'user', secret });
      await daemon.host.shell(`tar -C ${folder} -cf /run/whole.tar .`);
      return daemon.host.shell(
        `curl -s --unix-socket ${SOCKET} -T /run/whole.tar -X POST "http://d/build?version=2&session=${session}"`,
      );
    };
    assert.match(await asked('guessed'), /"error":".*(unauthorized|denied|credentials)/i);
    assert.match(await asked('secret'), /moby\.image\.id/);
  });

  describe('as the CLI of Docker 20.10 asks', () => {
    const query = (more: Readonly<Record<string, string>>) =>
      new URLSearchParams({ version: '2', remote: 'client-session', ...more }).toString();
    const lines = (body: string) =>
      body
        .split('\r\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));

    test('progress and the image’s id come in the answer', async () => {
      await using client = new BuildKitClient(daemon.host.path(SOCKET));
      const text = 'FROM busybox\nCOPY f /f\nRUN cat /f\n';
      const session = await client.session({
        dockerfile: folderOf({ Dockerfile: text }),
        context: folderOf({ f: 'legacy' }),
      });
      const { status, body } = await daemon.api('POST', `/build?${query({ session, t: 'legacy', buildid: 'b1' })}`);
      assert.equal(status, 200);
      const all = lines(body);
      const traces = all.filter(({ id }) => id === 'moby.buildkit.trace');
      const updates = traces.map(({ aux }) => StatusResponse.decode(Buffer.from(aux, 'base64')));
      const names = updates.flatMap(({ vertexes }) => vertexes.map(({ name }) => name));
      assert.ok(names.includes('[2/3] COPY f /f') && names.includes('exporting to image'), names.join());
      assert.match(updates.flatMap(({ logs }) => logs.map(({ message }) => message.toString())).join(''), /legacy/);
      const id = await daemon.ok('image', 'inspect', '-f', '{{.Id}}', 'legacy');
      assert.deepEqual(all.at(-1), { id: 'moby.image.id', aux: { ID: id } });
      const failing = await client.session({
        dockerfile: folderOf({ Dockerfile: 'FROM busybox\nRUN exit 7\n' }),
        context: folderOf({}),
      });
      const failed = lines((await daemon.api('POST', `/build?${query({ session: failing })}`)).body);
      assert.equal(failed.at(-1).error, 'process "/bin/sh -c exit 7" did not complete successfully: exit code: 7');
    });

    test('a context comes with the request, with a session or without', async () => {
      await using client = new BuildKitClient(daemon.host.path(SOCKET));
      const folder = builds.context({ Dockerfile: 'FROM busybox\nCOPY f /f\n', f: 'whole' });
      await daemon.host.shell(`tar -C ${folder} -cf /run/whole.tar .`);
      const post = (more: string) =>
        daemon.host.shell(
          `curl -s --unix-socket ${SOCKET} -T /run/whole.tar -X POST "http://d/build?version=2&t=whole${more}"`,
        );
      for (const more of ['', `&session=${await client.session({})}`]) {
        const id = lines(await post(more)).at(-1).aux.ID;
        assert.equal(await daemon.ok('run', '--rm', id, 'cat', '/f'), 'whole');
        assert.equal(await daemon.ok('image', 'inspect', '-f', '{{.Id}}', 'whole'), id);
        await daemon.ok('rmi', 'whole');
      }
      const toFolder = encodeURIComponent('[{"Type":"local"}]');
      assert.match(await post(`&outputs=${toFolder}`), /could not access local files without session/);
      assert.match(await post(`&cachefrom=${encodeURIComponent('["a"]')}`), /moby\.image\.id/);
    });

    test('a context comes by a request of its own; a build is cancelled by another', async () => {
      await using client = new BuildKitClient(daemon.host.path(SOCKET));
      const session = await client.session({});
      const folder = builds.context({ Dockerfile: 'FROM busybox\nRUN echo uploaded; sleep 986\n' });
      await daemon.host.shell(`tar -C ${folder} -cf /run/uploaded.tar .`);
      const path = '/run/fairway/fairway.sock';
      const sending = daemon.host.shell(
        `curl -s --unix-socket ${path} -T /run/uploaded.tar -X POST "http://d/build?version=2&buildid=upload-request:b2"`,
      );
      const building = daemon.api('POST', `/build?${query({ session, remote: 'upload-request', buildid: 'b2' })}`);
      await sending;
      await eventually('it runs', async () => (await daemon.host.shell('ps ax')).includes('sleep 986'));
      assert.equal((await daemon.api('POST', '/build/cancel?id=b2')).status, 200);
      assert.match((await building).body, /the build was cancelled/);
      await builds.nothingLeft();
      const alone = await daemon.api('POST', `/build?${query({ session, remote: 'upload-request', buildid: 'b3' })}`);
      assert.match(alone.body, /the build context did not come/);
    });
  });
});

test('builds go over TLS as over the socket', async () => {
  const files = '/run/tls';
  const flags = ['-H', `unix://${SOCKET}`, '-H', 'tcp://127.0.0.1:2376', '--tlsverify'];
  const names = ['--tlscacert', `${files}/ca.pem`, '--tlscert', `${files}/cert.pem`, '--tlskey', `${files}/key.pem`];
  await using daemon = await TestDaemon.create([...flags, ...names], (host) =>
    host.shell(`set -e; mkdir -p ${files}; cd ${files}; printf 'subjectAltName=IP:127.0.0.1\n' > extension
      openssl req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.pem -days 9 -subj /CN=ca 2>/dev/null
      openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=both 2>/dev/null
      openssl x509 -req -in request.pem -CA ca.pem -CAkey ca-key.pem -CAcreateserial -days 9 -out cert.pem -extfile extension 2>/dev/null`),
  );
  const buildx = new Buildx(daemon);
  const folder = new Builds(daemon).context({ Dockerfile: 'FROM busybox\nCOPY . /all\nRUN ls /all | wc -l\n' });
  await daemon.host.shell(
    `cd ${folder}; for i in $(seq 200); do echo $i > f$i; done; head -c 20000000 /dev/zero > big`,
  );
  const remote = `export DOCKER_HOST=tcp://127.0.0.1:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH=${files}`;
  const { code, stdout, stderr } = await buildx.shell(
    `${remote}; docker build --progress=plain -o - ${folder} | tar -xO all/f7`,
  );
  assert.deepEqual([code, stdout], [0, '7\n'], stderr + daemon.log.slice(-2000));
  assert.match(told(stderr), /^202$/m);
});
