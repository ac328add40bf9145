import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

describe('docker run and its relatives', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const state = (name: string) => daemon.inspect(name, '{{.State.Status}} {{.State.ExitCode}}');

  test('run gives back output, error output and exit code, and --rm leaves nothing', async () => {
    const ran = await daemon.docker([
      'run',
      '--rm',
      '--name',
      'once',
      'busybox',
      'sh',
      '-c',
      'echo out; echo err >&2; exit 7',
    ]);
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [7, 'out\n', 'err\n']);
    assert.equal(await daemon.ok('ps', '-aq'), '');
  });

  test('run -i feeds standard input to its end', async () => {
    const ran = await daemon.docker(['run', '--rm', '-i', 'busybox', 'wc', '-c'], { input: 'x'.repeat(100_000) });
    assert.equal(ran.stdout.trim(), '100000');
  });

  test('flags reach the process: -e -w -u --hostname --entrypoint -l', async () => {
    const flags = [
      '-e',
      'A=b c',
      '-w',
      '/tmp',
      '-u',
      '1000:1000',
      '--hostname',
      'named',
      '--entrypoint',
      'sh',
      '-l',
      'x=y',
    ];
    const out = await daemon.ok(
      'run',
      '--name',
      'flagged',
      ...flags,
      'busybox',
      '-c',
      'echo "$A"; pwd; id -u; id -g; hostname; cat /etc/hostname; echo $HOME',
    );
    assert.deepEqual(out.split('\n'), ['b c', '/tmp', '1000', '1000', 'named', 'named', '/home/user']);
    assert.equal(await daemon.ok('inspect', '-f', '{{json .Config.Labels}}', 'flagged'), '{"x":"y"}');
    await daemon.ok('rm', 'flagged');
  });

  test('capabilities: Docker’s default, --cap-drop, --cap-add, --privileged', async () => {
    const caps = async (...flags: string[]) =>
      BigInt(
        `0x${(await daemon.ok('run', '--rm', ...flags, 'busybox', 'sh', '-c', 'grep CapBnd /proc/self/status')).split('\t')[1]}`,
      );
    assert.equal(await caps(), 0xa80425fbn);
    assert.equal(await caps('--cap-drop', 'ALL'), 0n);
    assert.equal(await caps('--cap-drop', 'ALL', '--cap-add', 'NET_ADMIN'), 1n << 12n);
    assert.ok((await caps('--privileged')) > 0xa80425fbn);
    assert.match(await daemon.ok('run', '--rm', 'busybox', 'sh', '-c', 'grep Seccomp: /proc/self/status'), /2$/);
    assert.notEqual((await daemon.docker(['run', '--rm', 'busybox', 'mount', '-t', 'tmpfs', 'x', '/tmp'])).code, 0);
    await daemon.ok('run', '--rm', '--privileged', 'busybox', 'mount', '-t', 'tmpfs', 'x', '/tmp');
    assert.notEqual(
      (await daemon.docker(['run', '--rm', 'busybox', 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])).code,
      0,
    );
    assert.equal(await daemon.ok('run', '--rm', 'busybox', 'sh', '-c', 'cat /proc/kcore | wc -c'), '0');
  });

  test('-v binds a path of the host, read-only when told', async () => {
    await daemon.host.shell('mkdir -p /run/shared && echo hello > /run/shared/file');
    assert.equal(
      await daemon.ok(
        'run',
        '--rm',
        '-v',
        '/run/shared:/data',
        'busybox',
        'sh',
        '-c',
        'cat /data/file; echo back > /data/answer',
      ),
      'hello',
    );
    assert.equal(await daemon.host.out(['cat', '/run/shared/answer']), 'back');
    const refused = await daemon.docker(['run', '--rm', '-v', '/run/shared:/data:ro', 'busybox', 'touch', '/data/x']);
    assert.match(refused.stderr, /Read-only file system/);
  });

  test('create, start -a, stop, start, restart, kill, wait, rename, rm', async () => {
    await daemon.ok(
      'create',
      '--name',
      'life',
      'busybox',
      'sh',
      '-c',
      'trap "exit 3" TERM; echo started; while :; do sleep 0.1; done',
    );
    assert.equal(await state('life'), 'created 0');
    await daemon.ok('start', 'life');
    const started = (times: number) =>
      eventually(
        `it listens to signals for the ${times}. time`,
        async () => (await daemon.ok('logs', 'life')) === Array(times).fill('started').join('\n'),
      );
    await started(1);
    const [stopped, waited] = await Promise.all([daemon.ok('stop', '-t', '50', 'life'), daemon.ok('wait', 'life')]);
    assert.deepEqual([stopped, waited], ['life', '3']);
    assert.equal(await state('life'), 'exited 3');
    await daemon.ok('start', 'life');
    await started(2);
    await daemon.ok('restart', '-t', '0', 'life');
    await started(3);
    assert.match(await state('life'), /^running/);
    await daemon.ok('rename', 'life', 'afterlife');
    await daemon.ok('kill', 'afterlife');
    assert.equal(await daemon.ok('wait', 'afterlife'), '137');
    await daemon.ok('rm', 'afterlife');
    await daemon.ok('create', '--name', 'attached', 'busybox', 'sh', '-c', 'cat; exit 5');
    await daemon.ok('rm', 'attached');
    await daemon.ok('create', '-i', '--name', 'attached', 'busybox', 'sh', '-c', 'cat; exit 5');
    const attached = await daemon.docker(['start', '-a', '-i', 'attached'], { input: 'through\n' });
    assert.deepEqual([attached.code, attached.stdout], [5, 'through\n']);
    await daemon.ok('rm', 'attached');
  });

  test('pause stops a process, unpause lets it go on', async () => {
    await daemon.ok(
      'run',
      '-d',
      '--name',
      'ticking',
      'busybox',
      'sh',
      '-c',
      'i=0; while :; do i=$((i+1)); echo $i > /count; sleep 0.05; done',
    );
    const count = async () =>
      daemon.host.out(['sh', '-c', `cat /proc/${await daemon.inspect('ticking', '{{.State.Pid}}')}/root/count`]);
    await eventually('it counts', async () => /\d/.test(await count().catch(() => '')));
    await daemon.ok('pause', 'ticking');
    assert.match(await state('ticking'), /^paused/);
    const [first, second] = [await count(), await count()];
    assert.equal(first, second);
    assert.match(
      (await daemon.docker(['exec', 'ticking', 'true'])).stderr,
      /is paused, unpause the container before exec/,
    );
    await daemon.ok('unpause', 'ticking');
    await eventually('it counts on', async () => (await count()) !== second);
    await daemon.ok('rm', '-f', 'ticking');
  });

  test('ps, its filters and formats, top, inspect', async () => {
    await daemon.ok('run', '-d', '--name', 'up', '-l', 'tier=a', 'busybox', 'sleep', '600');
    await daemon.ok('run', '--name', 'down', '-l', 'tier=b', 'busybox', 'false').catch(() => undefined);
    assert.equal(await daemon.ok('ps', '--format', '{{.Names}}'), 'up');
    assert.deepEqual((await daemon.ok('ps', '-a', '--format', '{{.Names}}')).split('\n'), ['down', 'up']);
    assert.equal(
      await daemon
        .ok('ps', '-a', '--filter', 'label=tier=b', '--format', '{{.Names}} {{.Status}}')
        .then((text) => text.replace(/\d+ seconds?|Less than a second/, 'N')),
      'down Exited (1) N ago',
    );
    assert.equal(await daemon.ok('ps', '-a', '--filter', 'status=exited', '--format', '{{.Names}}'), 'down');
    assert.equal(
      await daemon.ok('ps', '-aq', '--filter', 'name=up', '--no-trunc'),
      await daemon.inspect('up', '{{.Id}}'),
    );
    // Until it has become "sleep", the process is runc's.
    await eventually('top shows it', async () => /UID +PID +PPID.*\n.*sleep 600/.test(await daemon.ok('top', 'up')));
    assert.match(await daemon.ok('ps'), /up/);
    await daemon.ok('rm', '-f', 'up', 'down');
  });

  test('logs with --tail, --since, -t and -f', async () => {
    await daemon.ok('run', '--name', 'talker', 'busybox', 'sh', '-c', 'for i in 1 2 3 4 5; do echo line $i; done');
    assert.equal((await daemon.docker(['logs', '--tail', '1', 'talker'])).stdout, 'line 5\n');
    assert.match(
      (await daemon.docker(['logs', '-t', '--tail', '2', 'talker'])).stdout,
      /^\d{4}-\d\d-\d\dT[\d:.]+Z line 4$/m,
    );
    assert.equal((await daemon.docker(['logs', '--since', '2100-01-01', 'talker'])).stdout, '');
    await daemon.ok('run', '--name', 'grumbler', 'busybox', 'sh', '-c', 'echo oops >&2');
    const { stdout, stderr } = await daemon.docker(['logs', 'grumbler']);
    assert.deepEqual([stdout, stderr], ['', 'oops\n']);
    await daemon.ok('rm', 'talker', 'grumbler');
    await daemon.ok(
      'run',
      '-d',
      '--name',
      'slow',
      'busybox',
      'sh',
      '-c',
      'for i in 1 2 3; do echo tick $i; sleep 0.2; done',
    );
    assert.equal((await daemon.docker(['logs', '-f', 'slow'])).stdout, 'tick 1\ntick 2\ntick 3\n');
    await daemon.ok('rm', '-f', 'slow');
  });

  test('exec: output, exit code, -u -w -e -d, standard input', async () => {
    await daemon.ok('run', '-d', '--name', 'host1', 'busybox', 'sleep', '600');
    const ran = await daemon.docker([
      'exec',
      '-u',
      '1',
      '-w',
      '/tmp',
      '-e',
      'X=1',
      'host1',
      'sh',
      '-c',
      'echo $X; pwd; id -u; echo bad >&2; exit 9',
    ]);
    assert.deepEqual([ran.code, ran.stdout, ran.stderr], [9, '1\n/tmp\n1\n', 'bad\n']);
    assert.equal((await daemon.docker(['exec', '-i', 'host1', 'cat'], { input: 'fed' })).stdout, 'fed');
    await daemon.ok('exec', '-d', 'host1', 'sh', '-c', 'echo done > /made');
    await eventually(
      'the detached exec ran',
      async () => (await daemon.docker(['exec', 'host1', 'cat', '/made'])).stdout === 'done\n',
    );
    const missing = await daemon.docker(['exec', 'host1', 'nosuch']);
    assert.equal(missing.code, 127);
    assert.match(missing.stdout, /exec: "nosuch": executable file not found in \$PATH/);
    const empty = await daemon.docker(['exec', 'host1', '']);
    assert.equal(empty.code, 127);
    assert.match(empty.stdout, /exec: "": executable file not found in \$PATH/);
    await daemon.ok('rm', '-f', 'host1');
  });

  test('attach joins a running container and ends with it', async () => {
    await daemon.ok('run', '-d', '-i', '--name', 'joined', 'busybox', 'sh', '-c', 'read line; echo got $line; exit 4');
    const attached = await daemon.docker(['attach', 'joined'], { input: 'hello\n' });
    assert.deepEqual([attached.code, attached.stdout], [4, 'got hello\n']);
    await daemon.ok('rm', 'joined');
  });

  test('events come in Docker’s order', async () => {
    await daemon.ok('network', 'create', 'watched');
    const since = await daemon.now();
    await daemon.ok('run', '--rm', '--name', 'eventful', '--network', 'watched', 'busybox', 'true');
    assert.deepEqual(await daemon.told(since, [], '{{.Type}} {{.Action}}'), [
      'container create',
      'container attach',
      'network connect',
      'container start',
      'container die',
      'network disconnect',
      'container destroy',
    ]);
    await daemon.ok('network', 'rm', 'watched');
  });

  test('info, version and system prune', async () => {
    assert.match(
      await daemon.ok('version', '--format', '{{.Server.APIVersion}} {{.Server.MinAPIVersion}}'),
      /^1\.51 1\.24$/,
    );
    assert.match(
      await daemon.ok('info', '--format', '{{json .Plugins.Network}}'),
      /"bridge","host","ipvlan","macvlan","null","openvswitch"/,
    );
    await daemon.ok('create', '--name', 'leftover', 'busybox');
    await daemon.ok('network', 'create', 'unused');
    const pruned = await daemon.ok('system', 'prune', '-f');
    assert.match(pruned, /Deleted Containers:\n[0-9a-f]{64}/);
    assert.match(pruned, /Deleted Networks:\nunused/);
    assert.equal(await daemon.ok('ps', '-aq'), '');
  });

  test('the terminal: -it is a real one, with the size of the user’s, also when it changes', async () => {
    // The client tells the size when the process runs already, as it does with Docker.
    const sizeIs = (size: string) =>
      `until [ "$(stty size)" = "${size}" ]; do sleep 0.02; done; echo size $(stty size)`;
    const inTerminal = (script: string) =>
      daemon.host.exec(['script', '-qec', script, '/dev/null'], { env: { ...daemon.env(), TERM: 'xterm' }, input: '' });
    const sized = await inTerminal(
      `stty cols 91 rows 37; docker run --rm -it busybox sh -c '${sizeIs('37 91')}; tty; echo $TERM; exit 6'; echo code $?`,
    );
    assert.match(sized.stdout, /size 37 91\r\n\/dev\/(pts\/0|console)\r\nxterm\r\n/);
    assert.match(sized.stdout, /code 6/);
    // A change before the client listens for SIGWINCH is lost, with Docker too: it is made until it is heard.
    const change =
      'until [ -e /run/sized/end ]; do stty cols 51 rows 20 < $t; sleep 0.2; stty cols 50 rows 20 < $t; sleep 0.2; done';
    const resized = await inTerminal(
      `stty cols 91 rows 37; t=$(tty); (until [ -e /run/sized/yes ]; do sleep 0.02; done; ${change}) &
       docker run --rm -it -v /run/sized:/sized busybox sh -c '${sizeIs('37 91')}; touch /sized/yes; ${sizeIs('20 50')}; touch /sized/end'`,
    );
    assert.match(resized.stdout, /size 20 50\r\n/);
    await inTerminal('stty cols 93 rows 39; docker create --name born -t busybox stty size');
    await daemon.ok('start', 'born');
    await daemon.ok('wait', 'born');
    assert.equal((await daemon.ok('logs', 'born')).trim(), '39 93');
    await daemon.ok('rm', 'born');
    await daemon.ok('run', '-d', '--name', 'term', 'busybox', 'sleep', '600');
    const execed = await inTerminal(`stty cols 88 rows 31; docker exec -it term sh -c '${sizeIs('31 88')}'`);
    assert.match(execed.stdout, /size 31 88\r\n/);
    await daemon.ok('rm', '-f', 'term');
  });
});
