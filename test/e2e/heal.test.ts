import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { blowsAt, randomBlows, type Victim, victimOf } from '../heal/blows.ts';
import { type Struck, strike } from '../heal/strike.ts';
import { eventually } from '../host.ts';

const FAIRWAY = join(import.meta.dirname, '../../bin/fairway');
const SERVE = ['busybox', 'httpd', '-f', '-h', '/var/www'];

describe('whatever is done to the network of containers', () => {
  let daemon: TestDaemon;
  let web: Victim;
  let db: Victim;
  before(async () => {
    daemon = await TestDaemon.create(['--metrics-addr', '127.0.0.1:9323']);
    await daemon.ok('network', 'create', 'app');
    await daemon.ok('run', '-d', '--name', 'web', '--network', 'app', '-p', '8080:80', ...SERVE);
    await daemon.ok('run', '-d', '--name', 'db', '--network', 'app', ...SERVE);
    web = await victimOf(daemon, 'web', 'app');
    db = await victimOf(daemon, 'db', 'app');
  });
  after(() => daemon[Symbol.asyncDispose]());

  const onLan = async (port: number, seconds = 20) =>
    (await daemon.host.lan(['curl', '-s', '-m', `${seconds}`, `http://192.0.2.2:${port}/`])).code === 0;
  const whole = async () => (await daemon.api('GET', '/fairway/plan')).body.trim() === '[]';
  const metrics = () => daemon.host.out(['curl', '-s', 'http://127.0.0.1:9323/metrics']);
  /** Of what was counted at least once. */
  const counted = (text: string, name: string) => new RegExp(`^${name.replace(/[{}]/g, '\\$&')} [1-9]`, 'm').test(text);

  test('each kind of thing is exactly as it was soon after', async () => {
    const [first, second] = [blowsAt(web, db), blowsAt(db, web)];
    const blows = first.map((blow, i) => (i % 2 === 0 ? blow : (second[i] ?? blow)));
    assert.deepEqual(unhealed(await strike(daemon.host, [web, db], blows)), []);
    assert.ok(await onLan(8080));
    // Who listens for names is not in the striker's picture, and what was mended is counted when it is done.
    const page = await daemon.ok('exec', 'web', 'cat', '/var/www/index.html');
    await eventually(
      'a neighbour is found by name',
      async () => (await daemon.docker(['exec', 'db', 'wget', '-qO-', 'http://web/'])).stdout === `${page}\n`,
    );
    const kinds = 'namespace link address route neighbour forwarding sysctl firewall listener'.split(' ');
    let missing = kinds;
    await eventually('each kind is counted', async () => {
      const text = await metrics();
      missing = kinds.filter((kind) => !counted(text, `fairway_repairs_total{kind="${kind}"}`));
      return missing.length === 0;
    }).catch((cause: unknown) => {
      throw new Error(`not counted: ${missing.join()}`, { cause });
    });
  });

  test('so it is after several blows at once, at random', async () => {
    const seed = Number(process.env['FAIRWAY_TEST_SEED'] ?? 1);
    console.log(`seed of the blows: ${seed}`);
    const blows = randomBlows(seed, 5, [web, db]);
    assert.deepEqual(unhealed(await strike(daemon.host, [web, db], blows)), []);
    assert.ok(await onLan(8080));
  });

  test('one line says what was found and what was done', async () => {
    const known = daemon.log.length;
    await daemon.host.shell(
      'ip route del $(ip route show dev br-$(docker network inspect -f "{{slice .ID 0 12}}" app) | cut -d" " -f1)'.replace(
        'docker',
        `DOCKER_HOST=${daemon.env()['DOCKER_HOST']} docker`,
      ),
    );
    const line = new RegExp(`network mended: created address host ${web.bridge} ${web.gateway} \\(missing\\)`);
    // It may have to wait for as long as 30 s, after so many blows at the same.
    await eventually('it is told', () => line.test(daemon.log.slice(known)), 60_000);
  });

  test('a stranger who fights back is told of in status, log and metrics, and the rest goes on being mended', async () => {
    daemon.host.spawn([
      'sh',
      '-c',
      `echo $$ > /run/fighter.pid; while :; do ip link set ${db.veth} nomaster; sleep 0.02; done`,
    ]);
    const status = () => daemon.host.out([FAIRWAY, 'status']);
    const told = new RegExp(
      `link host ${db.veth}: somebody undoes it, mended \\d+ times since 20.*, not again before 20`,
    );
    await eventually('the status tells', async () => told.test(await status()));
    const line = new RegExp(`somebody undoes what was mended, again and again: .*link host ${db.veth}`);
    await eventually('the log tells', () => line.test(daemon.log));
    await eventually('the metrics tell', async () =>
      counted(await metrics(), 'fairway_contested_resources{by="others"}'),
    );
    await daemon.host.shell('nft flush ruleset');
    await eventually('ports answer', () => onLan(8080, 2));
    await daemon.host.shell('kill $(cat /run/fighter.pid)');
    // As long as the longest wait, 30 s, and some more.
    await eventually('the last blow is mended too', whole, 90_000);
  });

  test('systemd-networkd takes the bridge over, and what it takes away is back', async () => {
    await daemon.host.shell(`mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
      chown -R systemd-network /run/systemd/netif
      printf '[Match]\\nName=br-*\\n[Network]\\nLinkLocalAddressing=no\\nAddress=198.51.100.1/24\\nConfigureWithoutCarrier=yes\\n' > /run/systemd/network/10-bridge.network`);
    // It waits for udev, unless it takes the machine for a container: by a /sys that cannot be written.
    const networkd = daemon.host.spawn([
      ...['unshare', '--mount', 'sh', '-c'],
      'echo $$ > /run/networkd.pid; mount --bind /sys /sys; mount -o remount,bind,ro /sys; exec /lib/systemd/systemd-networkd',
    ]);
    let said = '';
    networkd.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-3000)));
    await eventually('networkd has taken it over', async () =>
      /198\.51\.100\.1/.test(await daemon.host.shell(`ip addr show dev ${web.bridge}`)),
    ).catch((cause: unknown) => {
      throw new Error(said, { cause });
    });
    await eventually('our address is there', async () => (await whole()) && (await onLan(8080, 2)), 90_000);
    await daemon.host.shell('kill $(cat /run/networkd.pid)');
  });

  test('who shares the sandbox of a container keeps it while that one is stopped and started', async () => {
    const identity = (name: string) => daemon.ok('exec', name, 'readlink', '/proc/self/ns/net');
    const address = (name: string) => daemon.ok('exec', name, 'sh', '-c', 'ip -4 addr show dev eth0 | grep inet');
    await daemon.ok('run', '-d', '--name', 'base', '--network', 'app', '-p', '8082:8000', 'busybox', 'sleep', '3600');
    await daemon.ok(
      'run',
      '-d',
      '--name',
      'guest',
      '--network',
      'container:base',
      'busybox',
      'httpd',
      '-f',
      '-p',
      '8000',
      '-h',
      '/var/www',
    );
    const before = await identity('guest');
    const addressed = await address('guest');
    await eventually('it serves', () => onLan(8082));
    const works = async () => {
      assert.equal(await identity('guest'), before);
      assert.equal(await identity('base'), before);
      assert.equal(await address('guest'), addressed);
      await daemon.ok('exec', 'guest', 'wget', '-qO/dev/null', 'http://web/');
      await daemon.ok('exec', 'web', 'wget', '-qO/dev/null', 'http://base:8000/');
      assert.ok(await onLan(8082));
    };
    await daemon.ok('restart', '-t', '0', 'base');
    await works();
    await daemon.ok('stop', '-t', '0', 'base');
    await eventually('loopback alone is left', async () => {
      return (await daemon.ok('exec', 'guest', 'ls', '/sys/class/net')) === 'lo';
    });
    assert.equal(await onLan(8082, 1), false);
    const webs = await identity('web');
    await daemon.stop('SIGKILL');
    await daemon.host.shell(`umount -l ${web.sandbox}`);
    await daemon.start();
    assert.equal(await identity('guest'), before);
    assert.equal(await identity('web'), webs);
    assert.ok(await onLan(8080));
    await daemon.ok('start', 'base');
    await works();
    await daemon.ok('kill', 'base');
    await daemon.ok('wait', 'base');
    await daemon.ok('start', 'base');
    await works();
    await daemon.ok('rm', '-f', 'base', 'guest');
  });
});

function unhealed(struck: readonly Struck[]): Struck[] {
  return struck.filter(({ differs }) => differs !== undefined);
}
