import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

const FOLDER = import.meta.dirname;
/** Compose v2 is a plugin of the docker CLI; tools/setup.sh leaves it here. */
const PLUGIN = join(FOLDER, '../../.cache/clients/docker-compose');

describe('Compose v2', () => {
  let daemon: TestDaemon;

  /** `docker compose …` on the shop. @returns stdout and stderr: progress goes to the latter */
  async function compose(...args: string[]): Promise<string> {
    const finished = await daemon.docker(['compose', '--file', join(FOLDER, 'shop.yaml'), ...args], {
      timeout: 120_000,
    });
    assert.equal(finished.code, 0, `compose ${args.join(' ')}: ${finished.stdout}${finished.stderr}`);
    return finished.stdout + finished.stderr;
  }

  /** `compose exec`, for several commands at once. */
  const inside = (service: string, ...commands: string[]) =>
    compose('exec', '-T', service, 'sh', '-ec', commands.join('\n'));

  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.host.shell(
      `mkdir -p /run/docker-config/cli-plugins; ln -s ${PLUGIN} /run/docker-config/cli-plugins/docker-compose`,
    );
    await daemon.ok('network', 'create', '--subnet', '10.78.0.0/24', 'existing');
  });
  after(() => daemon[Symbol.asyncDispose]());

  test('config says what will be', async () => {
    assert.match(await compose('config', '--services'), /^web$/m);
    assert.match(await compose('config'), /ipv4_address: 10\.77\.0\.10/);
  });

  test('up -d waits for health and for what must complete, and says so', async () => {
    const said = await compose('up', '--detach');
    for (const state of ['api-1 +Healthy', 'seed-1 +Exited', 'web-1 +Started']) assert.match(said, new RegExp(state));
    const services = (await compose('ps', '--format', '{{.Service}} {{.State}}')).trim().split('\n').sort();
    assert.deepEqual(services, ['api running', 'side running', 'web running', 'worker running', 'worker running']);
  });

  test('ports answer as the file says', async () => {
    // What is started need not listen yet.
    await eventually('the web serves', async () =>
      /It works/.test((await daemon.host.exec(['curl', '-s', 'http://127.0.0.1:8080/'])).stdout),
    );
    assert.match((await daemon.host.lan(['curl', '-s', 'http://192.0.2.2:8090/'])).stdout, /It works/);
    assert.notEqual((await daemon.host.lan(['curl', '-sm', '2', 'http://192.0.2.2:8080/'])).code, 0);
    assert.match(await compose('port', 'web', '81'), /0\.0\.0\.0:8091/);
  });

  test('names, aliases and addresses are the file’s', async () => {
    const web = await inside(
      'web',
      'hostname',
      'ip route',
      'wget -qO- http://api:9000/',
      'ping -c 1 shop.test',
      'ip link',
    );
    const [hostname, route = ''] = web.split('\n');
    assert.equal(hostname, 'front');
    assert.match(web, /^api of/m);
    assert.match(web, /1 packets received/);
    assert.match(web, /02:42:ac:11:00:99/);
    const files = await inside('api', 'cat /etc/hosts', 'cat /etc/resolv.conf');
    assert.match(files, /10\.77\.0\.99\s+db\.local/);
    assert.match(files, /search corp\.test/);
    const front = await daemon.ok('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', 'shop_front');
    assert.equal(route.trim().startsWith(`default via ${front} `), true, route);
    assert.match(await daemon.host.shell('ip -br link show br-front'), /^br-front/);
  });

  test('a service in another’s network sees its addresses', async () => {
    assert.match(await inside('side', 'wget -qO- http://127.0.0.1:9000/', 'ip -4 addr'), /^api of[\s\S]*10\.77\.0\.10/);
  });

  test('an internal network has no way out, a volume is shared', async () => {
    assert.doesNotMatch(await compose('exec', '-T', 'api', 'ip', 'route'), /default/);
    assert.match(await inside('worker', 'cat /data/seeded', 'ping -c 1 api'), /UTC[\s\S]*10\.77\.0\.10/);
  });

  test('up again changes nothing; scale, restart, stop and start do what they say', async () => {
    const ids = await compose('ps', '--quiet');
    await compose('up', '--detach');
    assert.deepEqual((await compose('ps', '--quiet')).split('\n').sort(), ids.split('\n').sort());
    await compose('up', '--detach', '--no-recreate', '--scale', 'worker=3');
    assert.equal((await compose('ps', '--quiet', 'worker')).trim().split('\n').length, 3);
    await compose('scale', 'worker=1');
    assert.equal((await compose('ps', '--quiet', 'worker')).trim().split('\n').length, 1);
    await compose('restart', 'worker');
    await compose('stop', 'worker');
    assert.equal((await compose('ps', '--status', 'exited', '--quiet', 'worker')).trim().split('\n').length, 1);
    await compose('start', 'worker');
    assert.match(await inside('worker', 'ping -c 1 api'), /10\.77\.0\.10/);
  });

  test('logs -f follows, in colour-less lines that name the service', async () => {
    const command = [
      'compose',
      '--file',
      join(FOLDER, 'shop.yaml'),
      'logs',
      '--follow',
      '--no-color',
      '--tail',
      '1',
      'worker',
    ];
    const child = daemon.host.spawn([
      'env',
      ...Object.entries(daemon.env()).map(([name, value]) => `${name}=${value}`),
      'docker',
      ...command,
    ]);
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    await eventually('ticks arrive', () => (said.match(/worker-\d +\| tick$/gm) ?? []).length >= 3);
    child.kill('SIGINT');
  });

  test('run starts one more container of a service, and takes it away', async () => {
    assert.match(
      await compose('run', '--rm', '--no-deps', 'worker', 'sh', '-c', 'echo hello; wget -qO- http://api:9000/'),
      /hello\n[\s\S]*api of/,
    );
  });

  test('down -v leaves nothing of the shop, and what is external stays', async () => {
    await compose('down', '--volumes');
    assert.equal(await daemon.ok('ps', '-aq'), '');
    assert.equal(await daemon.ok('volume', 'ls', '-q'), '');
    assert.deepEqual((await daemon.ok('network', 'ls', '--format', '{{.Name}}')).split('\n').sort(), [
      'bridge',
      'existing',
      'host',
      'none',
    ]);
  });
});
