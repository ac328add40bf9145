import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Builds } from '../builds.ts';
import { TestDaemon } from '../daemon.ts';
import { TestRegistry } from '../registry.ts';

describe('docker build', () => {
  let daemon: TestDaemon;
  let builds: Builds;
  before(async () => {
    daemon = await TestDaemon.create();
    builds = new Builds(daemon);
  });
  after(() => daemon[Symbol.asyncDispose]());
  /** Ids differ from run to run. */
  const anonymous = (text: string) => text.replace(/\b[0-9a-f]{12}\b/g, 'ID');
  const run = (image: string, script: string) => daemon.ok('run', '--rm', image, 'sh', '-c', script);

  test('tells what it does as Docker’s classic builder; what is known is not done again', async () => {
    const folder = builds.context({
      Dockerfile:
        'FROM busybox:latest\nLABEL x=y\nCOPY f.txt /f.txt\nRUN echo built > /built && cat /f.txt\nENV A=1\nCMD ["cat","/built"]\n',
      'f.txt': 'file\n',
    });
    assert.equal(
      anonymous(await builds.ok('-t', 'told:1', '-t', 'told', folder)),
      `Step 1/6 : FROM busybox:latest
 ---> ID
Step 2/6 : LABEL x=y
 ---> ID
Step 3/6 : COPY f.txt /f.txt
 ---> ID
Step 4/6 : RUN echo built > /built && cat /f.txt
 ---> Running in ID
file
 ---> Removed intermediate container ID
 ---> ID
Step 5/6 : ENV A=1
 ---> ID
Step 6/6 : CMD ["cat","/built"]
 ---> ID
Successfully built ID
Successfully tagged told:1
Successfully tagged told:latest
`,
    );
    assert.equal(await daemon.ok('run', '--rm', 'told:1'), 'built');
    const id = await daemon.ok('image', 'inspect', '-f', '{{.Id}}', 'told');
    const again = await builds.ok(folder);
    assert.equal(again.match(/---> Using cache/g)?.length, 5);
    const hinted = await builds.ok('--cache-from', 'busybox', folder);
    assert.match(hinted, /^\[Warning\] --cache-from has no effect: .*\nStep 1\/6 : FROM busybox:latest\n/);
    assert.doesNotMatch(again, /Running in/);
    assert.match(again, new RegExp(`Successfully built ${id.slice(7, 19)}\n$`));
    assert.equal(await builds.ok('-q', folder), `${id}\n`);
    const base = await daemon.ok('image', 'inspect', '-f', '{{json .RootFS.Layers}}', 'busybox');
    const layers = await daemon.ok('image', 'inspect', '-f', '{{json .RootFS.Layers}}', 'told');
    assert.ok(layers.startsWith(base.slice(0, -1)), 'the base’s layers are the lowest');
    assert.match(await daemon.ok('history', '--no-trunc', 'told'), /echo built > \/built/);
    await daemon.ok('rmi', 'told:1', 'told');
    await builds.nothingLeft();
  });

  test('stages, arguments, labels, targets, files of another image', async () => {
    await daemon.ok('tag', 'busybox', 'tools:1');
    const folder = builds.context({
      Dockerfile: `# a comment
ARG BASE=nosuch
FROM \${BASE} AS one
ARG WORD=default
RUN echo \\
  # in the middle
  $WORD | tee /word

FROM \${BASE} as two
COPY --from=one /word /one
COPY --from=0 /word /zero
COPY --from=tools:1 /bin/busybox /copied
FROM two
RUN ["cat", "/one", "/zero"]
`,
    });
    const stdout = await builds.ok(
      '-t',
      'stages',
      '--build-arg',
      'BASE=busybox',
      '--build-arg',
      'WORD=given',
      '--build-arg',
      'OTHER=1',
      '--label',
      'lines=a\nb',
      '--label',
      "a=it's $HOME",
      folder,
    );
    assert.match(stdout, /^Step 1\/11 : ARG BASE=nosuch\nStep 2\/11 : FROM \$\{BASE\} AS one\n/);
    assert.match(stdout, /\nStep 11\/11 : LABEL /);
    assert.match(stdout, /\[Warning\] One or more build-args \[OTHER\] were not consumed\n/);
    assert.match(stdout, /\nStep 10\/11 : RUN \["cat", "\/one", "\/zero"\]\n.*\ngiven\ngiven\n/);
    assert.equal(await run('stages', 'cat /one /zero; ls /copied'), 'given\ngiven\n/copied');
    const labels = await daemon.ok('image', 'inspect', '-f', '{{json .Config.Labels}}', 'stages');
    assert.deepEqual(JSON.parse(labels), { a: "it's $HOME", lines: 'a\nb' });
    const upToOne = await builds.ok('-t', 'target', '--target', 'one', '--build-arg', 'BASE=busybox', folder);
    assert.match(upToOne, /Step 4\/4 : RUN echo.*\n.*\ndefault\n/);
    const missing = await builds.run('--target', 'nosuch', '--build-arg', 'BASE=busybox', folder);
    assert.equal(missing.stderr, 'Error response from daemon: target stage "nosuch" could not be found\n');
  });

  test('a base brings its ONBUILD, its health check and its variables', async () => {
    const parent = builds.context({
      Dockerfile:
        'FROM busybox\nENV GREETING=hello\nHEALTHCHECK --interval=7s CMD true\nONBUILD RUN echo $GREETING\nONBUILD ENV T=1\n',
    });
    await builds.ok('-t', 'parent', parent);
    const stdout = await builds.ok('-t', 'child', builds.context({ Dockerfile: 'FROM parent\nLABEL t=$T\n' }));
    const told = /Step 1\/2 : FROM parent\n ---> ID\n# Executing 2 build triggers\n ---> Running in ID\nhello\n/;
    assert.match(anonymous(stdout), told);
    const document = await daemon
      .ok('save', '-o', '/run/child.tar', 'child')
      .then(() => daemon.host.shell('tar -xOf /run/child.tar'));
    assert.match(document, /"Labels":\{[^}]*"t":"1"/);
    assert.match(document, /"Healthcheck":\{"Test":\["CMD-SHELL","true"\],"Interval":7000000000\}/);
  });

  test('what fails is told in Docker’s words, with its exit code', async () => {
    const failed = async (dockerfile: string) => builds.run(builds.context({ Dockerfile: dockerfile }));
    const command = await failed('FROM busybox\nRUN echo seen; echo "Error: no" >&2; exit 3\n');
    assert.equal(command.code, 3);
    // The two streams of a command have no common order.
    assert.match(command.stdout, /Running in [0-9a-f]{12}\n(seen\nError: no|Error: no\nseen)\n$/);
    assert.equal(
      command.stderr,
      `The command '/bin/sh -c echo seen; echo "Error: no" >&2; exit 3' returned a non-zero code: 3\n`,
    );
    const other = 'FROM busybox\nSHELL ["sh", "-ec"]\nRUN echo why; (exit 4); true\n';
    const quiet = await builds.run('-q', builds.context({ Dockerfile: other }));
    assert.equal(quiet.code, 4);
    const words = /\nwhy\n[\s\S]*The command 'sh -ec echo why; \(exit 4\); true' returned a non-zero code: 4\n/;
    assert.match(quiet.stdout + quiet.stderr, words);
    const program = await failed('FROM busybox\nRUN ["nosuch", "x"]\n');
    assert.match(program.stderr, /exec: "nosuch": executable file not found in \$PATH/);
    const file = await failed('FROM busybox\nCOPY nosuch /x\n');
    assert.equal(
      file.stderr,
      'COPY failed: file not found in build context or excluded by .dockerignore: stat nosuch: file does not exist\n',
    );
    assert.equal(file.code, 1);
    const user = await failed('FROM busybox\nUSER nosuch\nRUN true\n');
    assert.match(user.stderr, /unable to find user nosuch: no matching entries in passwd file/);
    await builds.nothingLeft();
    await builds.nobodyWorks();
  });

  test('a Dockerfile that is none, a context that is none', async () => {
    const refused = async (dockerfile: string, ...args: string[]) =>
      (await builds.run(...args, builds.context({ Dockerfile: dockerfile }))).stderr
        .replace('Error response from daemon: ', '')
        .trim();
    assert.equal(await refused('FORM busybox\n'), 'dockerfile parse error on line 1: unknown instruction: FORM');
    assert.equal(await refused('RUN true\n'), 'dockerfile parse error on line 1: no build stage in current context');
    assert.equal(
      await refused('FROM a b\n'),
      'dockerfile parse error on line 1: FROM requires either one or three arguments',
    );
    assert.match(await refused('FROM busybox\nRUN <<EOF\ntrue\n'), /line 2: unterminated heredoc/);
    assert.match(await refused('FROM busybox\n', '-t', 'UPPER'), /invalid/);
    assert.match(await refused('FROM 127.0.0.1:1/nosuch\n'), /127\.0\.0\.1:1\/v2\/.*connection refused/);
    assert.match(
      await refused('FROM busybox\n', '--platform', 'linux/s390x'),
      /--platform linux\/s390x is not supported/,
    );
    const post = async (query: string, file: string) => {
      const { stdout } = await daemon.host.exec([
        'curl',
        '-s',
        '--unix-socket',
        '/run/fairway/fairway.sock',
        '-T',
        file,
        '-X',
        'POST',
        `http://d/build?${query}`,
      ]);
      return stdout;
    };
    assert.match(await post('', '/etc/passwd'), /Cannot unpack the build context/);
    await daemon.host.shell('cd /run; mkdir -p evil; ln -sf /etc/passwd evil/Dockerfile; tar -C evil -cf evil.tar .');
    assert.match(await post('', '/run/evil.tar'), /Forbidden path outside the build context/);
    await daemon.host.shell(`cd /run; mkdir -p outside trap; printf 'FROM busybox' > trap/Dockerfile; touch climber
      tar -C trap -cf climbing.tar --transform 's,climber,../climber,' -P Dockerfile ../climber; rm climber
      ln -s /run/outside trap/link; tar -C trap -cf linking.tar Dockerfile link
      rm trap/link; mkdir trap/link; touch trap/link/x; tar -C trap -rf linking.tar link/x`);
    assert.match(await post('', '/run/climbing.tar'), /Cannot unpack the build context: .*contains '\.\.'/);
    assert.match(await post('', '/run/linking.tar'), /Cannot unpack the build context/);
    assert.equal(await daemon.host.shell('ls /run/outside; ls /run/data/builds/climber 2>/dev/null || true'), '');
    await daemon.host.shell(
      'dd if=/dev/zero of=/run/zeros bs=1M count=20 2>/dev/null; printf x | cat - /run/zeros > /run/large',
    );
    assert.match(await post('', '/run/large'), /Cannot unpack the build context/);
    assert.match(await post('squash=1', '/run/large'), /experimental mode/);
    assert.match(await post('version=2', '/run/evil.tar'), /Forbidden path outside the build context/);
    assert.match(await post('platform=foobar', '/run/evil.tar'), /unknown operating system or architecture/);
    assert.match(
      await post('remote=https://example.org/x.git', '/run/evil.tar'),
      /a remote build context is not supported/,
    );
    assert.match(
      await daemon.host.shell('curl -sI --unix-socket /run/fairway/fairway.sock http://d/_ping'),
      /^Builder-Version: 1\r$/m,
    );
    await builds.nothingLeft();
  });

  test('a context may bring its .dockerignore, its links and its modes; a Dockerfile may come by itself', async () => {
    const folder = builds.context({
      'sub/Other': 'FROM busybox\nCOPY . /all\n',
      '.dockerignore': 'secret\n*.md\n! readme.md\n',
      '.containerignore': 'kept\n',
      secret: 'x',
      'other.md': 'x',
      'readme.md': 'x',
      'kept/tool': '#!/bin/sh\necho tool\n',
    });
    await daemon.host.shell(`cd ${folder}; chmod 750 kept/tool; ln -s kept/tool link; tar -czf /run/context.tgz .`);
    await builds.ok('-t', 'ignoring', '-f', join(folder, 'sub/Other'), folder);
    const look = 'ls -A /all; stat -c "%a %U" /all/kept/tool; readlink /all/link';
    assert.equal(
      await run('ignoring', look),
      '.containerignore\n.dockerignore\nkept\nlink\nreadme.md\nsub\n750 root\nkept/tool',
    );
    const raw = await daemon.host.exec([
      'sh',
      '-c',
      'curl -s --unix-socket /run/fairway/fairway.sock -T /run/context.tgz -X POST "http://d/build?t=raw&dockerfile=sub/Other"',
    ]);
    assert.match(raw.stdout, /\{"aux":\{"ID":"sha256:[0-9a-f]{64}"\}\}/);
    const ids = await daemon.ok('image', 'inspect', '-f', '{{.Id}}', 'ignoring', 'raw');
    assert.equal(new Set(ids.split('\n')).size, 1, 'without what is ignored, it is the same');
    const since = await daemon.now();
    const stdin = await daemon.docker(['build', '-'], { input: 'FROM busybox\nRUN echo alone\n' });
    assert.equal(stdin.code, 0, stdin.stderr);
    assert.match(stdin.stdout, /\nalone\n/);
    const events = await daemon.told(since, ['type=image'], '{{.Action}} {{.ID}}');
    const id = /Successfully built (\w+)/.exec(stdin.stdout)?.[1];
    assert.match(events.join('\n'), new RegExp(`^create sha256:${id}\\w+$`));
  });

  test('a base that is not here is pulled; with --pull, one that is', async () => {
    const { address } = await TestRegistry.start(daemon.host, { port: 5000 });
    const name = `${address}/team/base`;
    const publish = async (word: string) => {
      await builds.ok('-t', name, builds.context({ Dockerfile: `FROM busybox\nENV WORD=${word}\n` }));
      await daemon.ok('push', '-q', name);
      await daemon.ok('rmi', name);
    };
    await publish('first');
    const folder = builds.context({ Dockerfile: `FROM ${name}\nRUN echo $WORD\n` });
    const stdout = await builds.ok(folder);
    assert.match(stdout, /latest: Pulling from team\/base\n/);
    assert.match(stdout, /\nfirst\n/);
    await daemon.ok('tag', name, 'kept');
    await publish('second');
    await daemon.ok('tag', 'kept', name);
    assert.match(await builds.ok(folder), /Step 2\/2 : RUN echo \$WORD\n ---> Using cache\n/);
    assert.match(await builds.ok('--pull', folder), /\nsecond\n/);
    assert.match(await builds.ok('-q', '--pull', folder), /^sha256:[0-9a-f]{64}\n$/);
  });

  test('docker-compose builds by the same request', async () => {
    const folder = builds.context({
      'docker-compose.yml':
        'version: "3.8"\nservices:\n  app:\n    build: {context: ., args: {WORD: composed}}\n    image: composed\n',
      Dockerfile: 'FROM busybox\nARG WORD\nRUN echo $WORD\n',
    });
    const { code, stdout, stderr } = await daemon.host.exec(
      ['docker-compose', '-f', `${folder}/docker-compose.yml`, 'build', '--no-cache'],
      { env: daemon.env() },
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /\ncomposed\n[\s\S]*Successfully tagged composed:latest/);
  });
});
