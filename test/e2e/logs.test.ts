import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

describe('logs', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create(['--log-opt', 'max-file=3', '--log-opt', 'max-size=100k']);
  });
  after(() => daemon[Symbol.asyncDispose]());

  /** Runs to the end. @returns the id */
  const ran = async (name: string, options: readonly string[], script: string) => {
    await daemon.ok('run', '--name', name, ...options, 'busybox', 'sh', '-c', script);
    return daemon.inspect(name, '{{.Id}}');
  };
  const folder = (id: string) => daemon.host.path(`/run/data/containers/${id}`);
  const logged = async (...args: string[]) => (await daemon.ok('logs', ...args)).split('\n');

  test('json-file turns over, and is read across its files', async () => {
    const id = await ran('turning', ['--log-opt', 'max-size=20k'], 'seq 1 1000');
    const files = readdirSync(folder(id)).filter((name) => name.includes('-json.log'));
    assert.deepEqual(files.sort(), [`${id}-json.log`, `${id}-json.log.1`, `${id}-json.log.2`]);
    for (const name of files) assert.ok(statSync(`${folder(id)}/${name}`).size < 20_200, name);
    const lines = await logged('turning');
    assert.deepEqual(lines, numbers(1001 - lines.length, 1000));
    assert.ok(lines.length > 500 && lines.length < 800);
    for (const tail of [1, 100, 300, 500]) {
      assert.deepEqual(await logged('--tail', String(tail), 'turning'), numbers(1001 - tail, 1000));
    }
    const config = await daemon.ok('inspect', '-f', '{{json .HostConfig.LogConfig}} {{.LogPath}}', 'turning');
    assert.equal(
      config,
      `{"Type":"json-file","Config":{"max-file":"3","max-size":"20k"}} /run/data/containers/${id}/${id}-json.log`,
    );
    await daemon.ok('rm', 'turning');
  });

  test('older files are compressed, and read all the same', async () => {
    const id = await ran('packed', ['--log-opt', 'max-size=20k', '--log-opt', 'compress=true'], 'seq 1 1000');
    const packed = () => readdirSync(folder(id)).filter((name) => name.endsWith('.gz'));
    await eventually('both are compressed', () => packed().length === 2);
    assert.match(gunzipSync(readFileSync(`${folder(id)}/${id}-json.log.2.gz`)).toString(), /^\{"log":"\d+\\n"/);
    const lines = await logged('packed');
    assert.deepEqual(lines, numbers(1001 - lines.length, 1000));
    assert.deepEqual(await logged('--tail', '400', 'packed'), numbers(601, 1000));
    await daemon.ok('rm', 'packed');
  });

  test('following loses and doubles nothing while files turn over', async () => {
    const script =
      'echo begin; until [ -e /go ]; do sleep 0.05; done; seq 1 10000; until [ -e /end ]; do sleep 0.05; done; echo end';
    await daemon.ok('run', '-d', '--name', 'followed', '--log-opt', 'max-size=200k', 'busybox', 'sh', '-c', script);
    const heard = ['', '', ''];
    const followers = heard.map((_, i) => {
      const client = daemon.host.spawn(['docker', 'logs', '-f', 'followed'], daemon.env());
      client.stdout?.on('data', (chunk: Buffer) => (heard[i] += chunk.toString()));
      return once(client, 'close');
    });
    await eventually('all of them follow', () => heard.every((text) => text === 'begin\n'));
    await daemon.ok('exec', 'followed', 'touch', '/go');
    await eventually(
      'the container has said it all',
      async () => (await logged('--tail', '1', 'followed'))[0] === '10000',
    );
    // It may end before the exec has been answered.
    await daemon.docker(['exec', 'followed', 'touch', '/end']);
    await Promise.all(followers);
    for (const text of heard) assert.deepEqual(text.trimEnd().split('\n'), ['begin', ...numbers(1, 10_000), 'end']);
    await daemon.ok('rm', '-f', 'followed');
  });

  test('since and until find their place in any file', async () => {
    // What is read together has the same time: the second half comes when the first one is logged.
    const script = 'seq 1 300; until [ -e /go ]; do sleep 0.05; done; seq 301 600';
    const options = ['--log-opt', 'max-size=20k', '--log-opt', 'compress=true'];
    await daemon.ok('run', '-d', '--name', 'timed', ...options, 'busybox', 'sh', '-c', script);
    await eventually('the first half is logged', async () => (await logged('--tail', '1', 'timed'))[0] === '300');
    // It may end before the exec has been answered.
    await daemon.docker(['exec', 'timed', 'touch', '/go']);
    await daemon.ok('wait', 'timed');
    const stamped = (await logged('-t', 'timed')).map((line) => line.split(' '));
    const [time = ''] = stamped.find(([, number]) => number === '301') ?? [];
    assert.deepEqual(await logged('--since', time, 'timed'), numbers(301, 600));
    const before301 = await logged('--until', time.replace(/\d{3}Z$/, '000Z'), 'timed');
    assert.equal(before301.at(-1), '300');
    await daemon.ok('rm', 'timed');
  });

  test('labels, variables and the tag go into every entry', async () => {
    const options = [
      '--log-opt',
      'labels=team',
      '--log-opt',
      'env-regex=^APP_',
      '--log-opt',
      'tag={{.Name}}/{{.ImageName}}',
    ];
    const id = await ran(
      'marked',
      [...options, '--label', 'team=a b', '-e', 'APP_MODE=x,y', '-e', 'OTHER=1'],
      'echo hello',
    );
    const [entry] = readFileSync(`${folder(id)}/${id}-json.log`, 'utf8').split('\n');
    const { attrs } = JSON.parse(entry ?? '');
    assert.deepEqual(attrs, { team: 'a b', APP_MODE: 'x,y', tag: 'marked/busybox' });
    assert.equal(await daemon.ok('logs', '--details', 'marked'), 'APP_MODE=x%2Cy,tag=marked%2Fbusybox,team=a+b hello');
    await daemon.ok('rm', 'marked');
  });

  test('local keeps its own files', async () => {
    const id = await ran(
      'own',
      ['--log-driver', 'local', '--log-opt', 'max-size=20k', '--log-opt', 'max-file=2'],
      'seq 1 500',
    );
    assert.ok(readdirSync(`${folder(id)}/local-logs`).includes('container.log'));
    const lines = await logged('--tail', '300', 'own');
    assert.deepEqual(lines, numbers(201, 500));
    const shown = await daemon.ok('inspect', '-f', '{{.HostConfig.LogConfig.Type}} {{.LogPath}}', 'own');
    assert.equal(shown.trim(), 'local');
    await daemon.ok('rm', 'own');
  });

  test('none keeps nothing, and says so', async () => {
    assert.equal(
      await daemon.ok('run', '--name', 'quiet', '--log-driver', 'none', 'busybox', 'echo', 'heard'),
      'heard',
    );
    const { code, stderr } = await daemon.docker(['logs', 'quiet']);
    assert.equal(code, 1);
    assert.match(stderr, /configured logging driver does not support reading/);
    await daemon.ok('rm', 'quiet');
  });

  test('what cannot be is refused in Docker’s words', async () => {
    const cases: [string[], RegExp][] = [
      [['--log-driver', 'gelf'], /logger: no log driver named 'gelf' is registered/],
      [['--log-opt', 'x=1'], /unknown log opt 'x' for json-file log driver/],
      [['--log-driver', 'local', '--log-opt', 'tag=a'], /unknown log opt 'tag' for log driver local/],
      [['--log-opt', 'max-file=0'], /max-file cannot be less than 1/],
      [['--log-opt', 'max-size=much'], /invalid size for max-size: 'much'/],
      [['--log-opt', 'mode=fast'], /logger: logging mode not supported: fast/],
      [['--log-opt', 'max-buffer-size=1m'], /max-buffer-size option is only supported with 'mode=non-blocking'/],
      [['--log-opt', 'tag={{.Nome}}'], /there is no field Nome/],
      [['--log-driver', 'journald'], /failed to initialize logging driver: journald is not enabled on this host/],
    ];
    for (const [options, words] of cases) {
      const { code, stderr } = await daemon.docker(['run', '--rm', ...options, 'busybox', 'true']);
      assert.equal(code, 125, options.join(' '));
      assert.match(stderr, words);
    }
    assert.equal(await daemon.ok('ps', '-aq'), '');
  });

  test('with mode=non-blocking the container goes on, and what fits is logged', async () => {
    await ran(
      'hasty',
      ['--log-opt', 'mode=non-blocking', '--log-opt', 'max-buffer-size=64k', '--log-opt', 'max-size=10m'],
      'seq 1 20000',
    );
    const lines = await logged('hasty');
    assert.equal(lines[0], '1');
    assert.ok(lines.every((line, i) => i === 0 || Number(line) > Number(lines[i - 1])));
    await daemon.ok('rm', 'hasty');
  });

  test('attach --logs replays a line that is not finished', async () => {
    const script = 'echo one; printf two; read x; echo " $x"; exit 3';
    await daemon.ok('run', '-di', '--name', 'asking', 'busybox', 'sh', '-c', script);
    await eventually('it has asked', async () => (await daemon.ok('logs', 'asking')) === 'one');
    const attach = (input: string) =>
      daemon.host.exec(
        [
          'curl',
          '-s',
          '-N',
          '-m',
          '20',
          '-X',
          'POST',
          '--unix-socket',
          '/run/fairway/fairway.sock',
          'http://d/containers/asking/attach?logs=1&stdout=1&stream=0',
        ],
        { input },
      );
    const plain = (text: string) => text.replaceAll(/[^\P{Cc}\n]{7}./gsu, '');
    await eventually('the beginning of the line is told', async () => plain((await attach('')).stdout).endsWith('two'));
    assert.equal(plain((await attach('')).stdout), 'one\ntwo');
    const answered = daemon.host.spawn(['docker', 'attach', 'asking'], daemon.env());
    answered.stdin?.end('three\n');
    assert.equal(await daemon.ok('wait', 'asking'), '3');
    assert.deepEqual(await logged('asking'), ['one', 'two three']);
    await daemon.ok('rm', 'asking');
  });

  test('the shim of one that fills its pipes interrupts nobody any more', async () => {
    const script = 'until [ -e /go ]; do sleep 0.05; done; seq 1 2000000; sleep 600';
    await daemon.ok('run', '-d', '--name', 'flood', 'busybox', 'sh', '-c', script);
    // proc_pid_stat(5): the parent is the fourth field, the policy the 41st; sched(7): 0 is SCHED_OTHER, 3 SCHED_BATCH
    const field = (pid: string, number: number) =>
      daemon.host.shell(`sed 's/.*) //' /proc/${pid}/stat | cut -d ' ' -f ${number - 2}`);
    const shim = await field(await daemon.inspect('flood', '{{.State.Pid}}'), 4);
    assert.equal(await field(shim, 41), '0');
    await daemon.ok('exec', 'flood', 'touch', '/go');
    await eventually('it is a batch process', async () => (await field(shim, 41)) === '3');
    await daemon.ok('rm', '-f', 'flood');
  });

  test('a disk that is full loses the log, not the container', async () => {
    await daemon.ok('create', '--name', 'full', 'busybox', 'sh', '-c', 'seq 1 20000; echo done > /done; sleep 600');
    const id = await daemon.inspect('full', '{{.Id}}');
    await daemon.host.shell(`mount -t tmpfs -o size=64k tmpfs /run/data/containers/${id}`);
    await daemon.ok('start', 'full');
    await eventually(
      'the container went on',
      async () => (await daemon.docker(['exec', 'full', 'cat', '/done'])).stdout === 'done\n',
    );
    const told = () => daemon.log.match(/Cannot write a container’s log/g)?.length;
    await eventually('it is told', () => told() !== undefined);
    assert.equal(told(), 1);
    const lines = await logged('full');
    assert.equal(lines[0], '1');
    assert.ok(lines.every((line, i) => i === 0 || Number(line) > Number(lines[i - 1])));
    await daemon.ok('rm', '-f', 'full').catch(() => undefined);
    await daemon.host.shell(`umount /run/data/containers/${id}; true`);
    await daemon.docker(['rm', '-f', 'full']);
  });

  test('a daemon that is killed loses and doubles no line', async () => {
    const script = 'until [ -e /go ]; do sleep 0.05; done; seq 1 400000; until [ -e /end ]; do sleep 0.05; done';
    const options = ['--log-opt', 'max-size=1g'];
    await daemon.ok('run', '-d', '--name', 'steady', ...options, 'busybox', 'sh', '-c', script);
    const log = daemon.host.path(await daemon.inspect('steady', '{{.LogPath}}'));
    await daemon.ok('exec', 'steady', 'touch', '/go');
    for (const size of [1 << 20, 6 << 20, 14 << 20]) {
      await eventually('some more is logged', () => statSync(log).size > size, 60_000);
      await daemon.stop('SIGKILL');
      await daemon.start();
    }
    await daemon.ok('exec', 'steady', 'touch', '/end');
    assert.equal(await daemon.ok('wait', 'steady'), '0');
    const lines = Array.from(readFileSync(log, 'utf8').matchAll(/^\{"log":"(\d+)\\n"/gm), ([, number]) => number);
    assert.equal(lines.length, 400_000);
    assert.ok(lines.every((number, i) => number === String(i + 1)));
    await daemon.ok('rm', 'steady');
  });

  test('what a container says while no daemon runs is logged by the next one, though it has ended', async () => {
    const script = 'until [ -e /go ]; do sleep 0.05; done; seq 1 9000; echo oops >&2; printf last; exit 5';
    await daemon.ok('run', '-d', '--name', 'orphan', '--log-opt', 'max-size=1g', 'busybox', 'sh', '-c', script);
    const pid = await daemon.inspect('orphan', '{{.State.Pid}}');
    await daemon.stop('SIGKILL');
    await daemon.host.shell(`touch /proc/${pid}/root/go`);
    await eventually('it has ended', async () => (await daemon.host.exec(['test', '-d', `/proc/${pid}`])).code !== 0);
    await daemon.start();
    assert.equal(await daemon.ok('wait', 'orphan'), '5');
    const { stdout, stderr } = await daemon.docker(['logs', 'orphan']);
    assert.ok(stdout === `${numbers(1, 9000).join('\n')}\nlast`, stdout.slice(-100));
    assert.equal(stderr, 'oops\n');
    await daemon.ok('rm', 'orphan');
  });

  test('nor when its log turns over meanwhile', async () => {
    const script = 'until [ -e /go ]; do sleep 0.05; done; seq 1 200000; until [ -e /end ]; do sleep 0.05; done';
    const options = ['--log-opt', 'max-size=400k', '--log-opt', 'max-file=100'];
    await daemon.ok('run', '-d', '--name', 'turning', ...options, 'busybox', 'sh', '-c', script);
    const log = daemon.host.path(await daemon.inspect('turning', '{{.LogPath}}'));
    await daemon.ok('exec', 'turning', 'touch', '/go');
    const files = () => readdirSync(log.replace(/\/[^/]*$/, '')).filter((name) => name.includes('-json.log.')).length;
    for (const count of [2, 10, 20]) {
      await eventually('some more files are full', () => files() > count, 60_000);
      await daemon.stop('SIGKILL');
      await daemon.start();
    }
    await daemon.ok('exec', 'turning', 'touch', '/end');
    assert.equal(await daemon.ok('wait', 'turning'), '0');
    assert.deepEqual(await logged('turning'), numbers(1, 200_000));
    await daemon.ok('rm', 'turning');
  });
});
