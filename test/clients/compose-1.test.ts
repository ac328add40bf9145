import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

const FILE = join(import.meta.dirname, 'legacy.yml');
const PROGRAM = '/usr/bin/docker-compose';
/** Debian 12's package; newer suites have v2 under the same name, and no 1.29 to test with. */
const skip = spawnSync(PROGRAM, ['version', '--short']).stdout?.toString().startsWith('1.29')
  ? false
  : 'this Debian has no docker-compose 1.29';

describe('docker-compose 1.29', { skip }, () => {
  let daemon: TestDaemon;

  async function compose(...args: string[]): Promise<string> {
    const command = [PROGRAM, '--file', FILE, '--project-name', 'old', '--no-ansi', ...args];
    const finished = await daemon.host.exec(command, { env: daemon.env(), timeout: 120_000 });
    assert.equal(finished.code, 0, `docker-compose ${args.join(' ')}: ${finished.stdout}${finished.stderr}`);
    return finished.stdout + finished.stderr;
  }

  /** Each start of Python with all of its modules takes as long as three containers: what is no matter of compose's own is asked of Docker's. */
  const ids = async (...filters: string[]) =>
    (await daemon.ok('ps', '--no-trunc', '-aq', ...filters.flatMap((filter) => ['--filter', filter]))).split('\n');
  const inside = (service: string, ...command: string[]) => daemon.ok('exec', `old_${service}_1`, ...command);

  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  test('up -d waits for health; ports, names and addresses are the file’s', async () => {
    await compose('up', '-d');
    assert.equal((await compose('ps', '--quiet')).match(/^[0-9a-f]{64}$/gm)?.length, 4);
    // What is started need not listen yet.
    await eventually('the web serves', async () =>
      /It works/.test((await daemon.host.exec(['curl', '-s', 'http://127.0.0.1:8080/'])).stdout),
    );
    assert.match((await daemon.host.lan(['curl', '-s', 'http://192.0.2.2:8081/'])).stdout, /It works/);
    assert.match(await compose('exec', '-T', 'web', 'wget', '-qO-', 'http://api:9000/'), /^api$/m);
    assert.match(await inside('worker', 'ping', '-c', '1', 'api'), /10\.77\.0\.10/);
    assert.match(await inside('side', 'ip', '-4', 'addr'), /10\.77\.0\.10/);
    assert.match(await compose('port', 'web', '80'), /:808[01]/);
    assert.match(await compose('ps'), /old_web_1 .* Up/);
    assert.match(await compose('top', 'worker'), /sleep 0\.2|tick/);
  });

  test('up again recreates nothing; a recreated service keeps its volumes and its address', async () => {
    const former = await ids();
    await compose('up', '-d');
    assert.deepEqual((await ids()).sort(), former.sort());
    await inside('worker', 'sh', '-c', 'echo kept >/data/a; echo kept >/anonymous/b');
    await compose('up', '-d', '--force-recreate', '--no-deps', 'worker', 'api');
    assert.match(await inside('worker', 'cat', '/data/a', '/anonymous/b'), /kept\nkept/);
    assert.match(await inside('web', 'ping', '-c', '1', 'api'), /10\.77\.0\.10/);
  });

  test('scale, restart, stop, start, logs and run do what they say', async () => {
    await compose('up', '-d', '--no-recreate', '--scale', 'worker=3', 'worker');
    assert.equal((await ids('label=com.docker.compose.service=worker', 'status=running')).length, 3);
    await compose('restart', 'worker');
    await compose('stop', 'worker');
    await compose('start', 'worker');
    assert.match(await compose('logs', '--tail', '2', 'worker'), /worker_1 +\| tick/);
    assert.match(await compose('run', '--rm', '--no-deps', 'worker', 'wget', '-qO-', 'http://api:9000/'), /^api$/m);
  });

  test('down -v leaves nothing', async () => {
    await compose('down', '-v');
    assert.equal(await daemon.ok('ps', '-aq'), '');
    // It named the anonymous volume when it recreated its container: to the daemon that is nobody's to take along.
    assert.equal(await daemon.ok('volume', 'ls', '-q', '--filter', 'name=old'), '');
    assert.deepEqual((await daemon.ok('network', 'ls', '--format', '{{.Name}}')).split('\n').sort(), [
      'bridge',
      'host',
      'none',
    ]);
  });
});
