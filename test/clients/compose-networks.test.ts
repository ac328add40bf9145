import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

const FOLDER = join(import.meta.dirname, 'networks');
/** Compose v2 is a plugin of the docker CLI; tools/setup.sh leaves it here. */
const PLUGIN = join(import.meta.dirname, '../../.cache/clients/docker-compose');

describe('Compose files with unusual networks', () => {
  let daemon: TestDaemon;
  let project: string;

  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.host.shell(
      `mkdir -p /run/docker-config/cli-plugins; ln -s ${PLUGIN} /run/docker-config/cli-plugins/docker-compose`,
    );
  });
  after(() => daemon[Symbol.asyncDispose]());
  afterEach(async () => {
    await compose('down');
    assert.doesNotMatch(await daemon.ok('network', 'ls', '--format', '{{.Name}}'), new RegExp(`^${project}_`, 'm'));
  });

  async function compose(...args: string[]): Promise<string> {
    const finished = await daemon.docker(['compose', '--file', join(FOLDER, `${project}.yaml`), ...args], {
      timeout: 120_000,
    });
    assert.equal(finished.code, 0, `compose ${args.join(' ')}: ${finished.stdout}${finished.stderr}`);
    return finished.stdout + finished.stderr;
  }
  const up = async (name: string) => {
    project = name;
    await compose('up', '--detach');
  };
  const inside = (service: string, ...command: string[]) => compose('exec', '-T', service, ...command);
  /** Busybox's wget in a service. @returns whether it got the page */
  const fetches = async (service: string, where: string) => {
    const command = ['compose', '--file', join(FOLDER, `${project}.yaml`), 'exec', '-T', service];
    const { stdout } = await daemon.docker([...command, 'timeout', '30', 'wget', '-qO-', `http://${where}/`]);
    return stdout.includes('It works');
  };

  test('external ones: by name, made from a configuration, and made anew under containers that stand still', async () => {
    await daemon.ok('network', 'create', 'company-wide');
    await daemon.ok('network', 'create', '--config-only', '--subnet', '10.61.0.0/24', '--label', 'plan=a', 'plan');
    await daemon.ok('network', 'create', '--config-from', 'plan', 'planned');
    await up('external');
    await eventually('the visitor finds the app', () => fetches('visitor', 'front.desk'));
    assert.match(await inside('app', 'ip', '-4', 'addr'), /10\.61\.0\.77\/24/);
    // Somebody tidies up: the containers know the network by its name, not by its id.
    await compose('stop');
    await daemon.ok('network', 'rm', 'company-wide');
    await daemon.ok('network', 'create', 'company-wide');
    await compose('start');
    await eventually('the visitor finds the app again', () => fetches('visitor', 'front.desk'));
    const id = await daemon.ok('network', 'inspect', '-f', '{{.Id}}', 'company-wide');
    const format = '{{(index .NetworkSettings.Networks "company-wide").NetworkID}}';
    assert.equal(await daemon.ok('inspect', '-f', format, 'external-app-1'), id);
    await compose('down');
    await daemon.ok('network', 'rm', 'company-wide', 'planned', 'plan');
  });

  test('ranges: dynamic addresses from the range, reserved ones to nobody, static ones outside', async () => {
    await up('ranges');
    const addresses = async (service: string, index = '1') =>
      (await compose('exec', '-T', '--index', index, service, 'ip', '-4', '-o', 'addr', 'show', 'lab0')).match(
        /10\.62[\d./]+/,
      )?.[0];
    assert.equal(await addresses('fixed'), '10.62.0.200/24');
    const floating = [await addresses('floating'), await addresses('floating', '2')].sort();
    assert.deepEqual(floating, ['10.62.0.130/24', '10.62.0.131/24']);
    assert.match(await inside('fixed', 'ip', 'route'), /default via 10\.62\.0\.254 dev lab0/);
    assert.match(await inside('fixed', 'ip', 'link', 'show', 'lab0'), /mtu 1400[\s\S]*02:42:0a:3e:00:c8/);
    assert.match(await daemon.host.shell('ip addr show br-lab'), /10\.62\.0\.254\/24/);
    assert.equal(await daemon.ok('network', 'inspect', '-f', '{{.Labels.purpose}}', 'ranges_lab'), 'measurement');
  });

  test('tiers: aliases over three networks, two of them internal', async () => {
    await up('tiers');
    await eventually('the API reaches the database by each of its names', async () => {
      const found = await Promise.all(['db', 'primary', 'replica', 'db.internal'].map((name) => fetches('api', name)));
      return found.every(Boolean);
    });
    assert.ok(await fetches('web', 'service'));
    assert.equal(await fetches('web', 'db'), false, 'they share no network');
    assert.equal(await fetches('web', 'service-back'), false, 'an alias is of its network alone');
    const gate = (await daemon.docker(['exec', 'tiers-web-1', 'nslookup', '-type=a', 'gate', '127.0.0.11'])).stdout;
    assert.equal(gate.match(/^Address: /gm)?.length, 2, 'two share the alias');
    assert.match(await inside('web', 'ip', 'route'), /^default via .* dev eth\d/m);
    assert.doesNotMatch(await inside('api', 'ip', 'route'), /default/);
    assert.match((await daemon.host.lan(['curl', '-s', 'http://192.0.2.2:8120/'])).stdout, /It works/);
    assert.ok(await fetches('tool', '127.0.0.1'), 'the tool is in the database’s network');
    assert.doesNotMatch(await inside('hermit', 'ip', 'addr'), /eth0/);
    // The database starts anew, and the tool is still with it.
    await compose('restart', 'db');
    await eventually('the tool sees the database again', () => fetches('tool', '127.0.0.1'));
  });

  test('six: both families, and IPv6 alone', async () => {
    await up('six');
    assert.match(await inside('both', 'ip', 'addr'), /10\.64\.0\.9\/24[\s\S]*fd64::9\/64/);
    assert.match(await inside('one', 'ping', '-c', '1', '-W', '20', 'fd64::9'), /1 packets received/);
    const only = await daemon.ok('network', 'inspect', '-f', '{{.EnableIPv4}} {{.EnableIPv6}}', 'six_only');
    assert.match(only, /true$/);
    const format = '{{(index .NetworkSettings.Networks "six_only").IPAddress}}';
    assert.equal(await daemon.ok('inspect', '-f', format, 'six-both-1'), '');
  });

  test('wire: a place of its own on the LAN, and a network that is routed to', async () => {
    await up('wire');
    await eventually('the LAN reaches it', async () =>
      (await daemon.host.lan(['curl', '-s', '-m', '2', 'http://192.0.2.50/'])).stdout.includes('It works'),
    );
    assert.match(await inside('server', 'ip', '-4', 'addr'), /192\.0\.2\.50\/24/);
    await daemon.host.lanShell('ip route add 10.65.0.0/24 via 192.0.2.2');
    const routed = (port: number, seconds: number) =>
      daemon.host.lan(['curl', '-s', '-m', `${seconds}`, `http://10.65.0.9:${port}/`]);
    assert.match((await routed(80, 20)).stdout, /It works/, 'published, and routed to');
    assert.notEqual((await routed(81, 2)).code, 0, 'not published');
  });
});
