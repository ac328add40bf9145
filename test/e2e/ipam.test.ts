import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SOCKET, TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';

const FAIRWAY = join(import.meta.dirname, '../../bin/fairway');

describe('address management', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
  });
  after(() => daemon[Symbol.asyncDispose]());

  const create = (...args: string[]) => daemon.ok('network', 'create', ...args);
  const remove = (...names: string[]) => daemon.ok('network', 'rm', ...names);
  const fairway = (...args: string[]) => daemon.host.exec([FAIRWAY, '-H', `unix://${SOCKET}`, ...args]);
  const subnets = async (name: string) =>
    (await daemon.ok('network', 'inspect', '-f', '{{range .IPAM.Config}}{{.Subnet}} {{end}}', name)).trim();
  const refusal = async (...args: string[]) => (await daemon.docker(['network', 'create', ...args])).stderr.trim();

  test('after Docker’s 31 subnets come others, away from the host’s; nobody has to configure anything', async () => {
    await daemon.host.shell('ip route add 10.64.9.0/24 via 192.0.2.1 table 99; ip route add blackhole 172.19.4.0/24');
    for (let i = 0; i < 40; i++) {
      const { status, body } = await daemon.api('POST', '/networks/create', { Name: `many${i}` });
      assert.equal(status, 201, body);
    }
    assert.equal(await subnets('many0'), '172.18.0.0/16');
    assert.equal(await subnets('many1'), '172.20.0.0/16');
    assert.equal(await subnets('many28'), '192.168.240.0/20');
    assert.equal(await subnets('many29'), '10.65.0.0/24');
    assert.equal(await subnets('many39'), '10.65.10.0/24');
    await remove(...Array.from({ length: 40 }, (_, i) => `many${i}`));
    await daemon.host.shell('ip route del 10.64.9.0/24 table 99; ip route del blackhole 172.19.4.0/24');
  });

  test('IPv6 subnets are /64 of one /48 of this engine’s own, the same after a restart', async () => {
    await create('--ipv6', 'dual');
    await create('--ipv6', '--ipv4=false', 'six');
    const [, dual = ''] = (await subnets('dual')).split(' ');
    const six = await subnets('six');
    assert.match(dual, /^fd[0-9a-f]{2}:[0-9a-f:]+::\/64$/);
    assert.equal(six, dual.replace('::/64', ':1::/64'));
    await daemon.stop('SIGKILL');
    await daemon.start();
    await create('--ipv6', '--ipv4=false', 'third');
    assert.equal(await subnets('third'), dual.replace('::/64', ':2::/64'));
    await remove('dual', 'six', 'third');
  });

  test('huge ranges, points to points and sizes alone', async () => {
    await create('--ipv6', '--subnet', 'fd2e:b68c:ce26::/56', '--ip-range', 'fd2e:b68c:ce26::/64', 'huge');
    await create(
      '--ipv6',
      '--subnet',
      'fda9:8d04:086e::/56',
      '--ip-range',
      'fda9:8d04:086e:aa:ffff:ffff:ffff:fffe/127',
      'end',
    );
    await create('--subnet', '10.9.0.0/31', 'pair');
    await create('--subnet', '0.0.0.0/26', 'small');
    const address = (network: string, family: string) =>
      daemon.ok(
        'run',
        '--rm',
        '--network',
        network,
        'busybox',
        'sh',
        '-c',
        `ip ${family} -o addr show eth0 scope global`,
      );
    assert.match(await address('huge', '-6'), /inet6 fd2e:b68c:ce26::2\/56/);
    assert.match(await address('end', '-6'), /inet6 fda9:8d04:86e:aa:ffff:ffff:ffff:ffff\/56/);
    assert.match(await address('pair', '-4'), /inet 10\.9\.0\.1\/31/);
    assert.match(await subnets('small'), /^172\.\d+\.0\.0\/26$/);
    await remove('huge', 'end', 'pair', 'small');
  });

  test('a range is where dynamic addresses come from; static ones may lie outside; reserved ones are nobody’s', async () => {
    await create(
      '--subnet',
      '10.42.0.0/16',
      '--ip-range',
      '10.42.128.0/24',
      '--gateway',
      '10.42.0.1',
      '--aux-address',
      'router=10.42.128.0',
      'ranged',
    );
    const show = ['busybox', 'sh', '-c', 'ip -4 -o addr show eth0'];
    assert.match(await daemon.ok('run', '--rm', '--network', 'ranged', ...show), /inet 10\.42\.128\.1\/16/);
    assert.match(
      await daemon.ok('run', '--rm', '--network', 'ranged', '--ip', '10.42.1.3', ...show),
      /inet 10\.42\.1\.3\/16/,
    );
    const taken = await daemon.docker(['run', '--rm', '--network', 'ranged', '--ip', '10.42.128.0', 'busybox', 'true']);
    assert.match(taken.stderr, /Address already in use: 10\.42\.128\.0 is the auxiliary address "router"/);
    await remove('ranged');
  });

  test('what cannot be is refused in Docker’s words', async () => {
    await create('--subnet', '10.43.0.0/24', 'there');
    for (const [args, words] of [
      [['--subnet', '10.43.0.0/16'], 'invalid pool request: Pool overlaps with other one on this address space'],
      [['--subnet', '10.44.0.1/24'], 'invalid network config:\ninvalid subnet 10.44.0.1/24: it should be 10.44.0.0/24'],
      [['--subnet', '10.44.0.0/24', '--subnet', '10.45.0.0/24'], "bridge driver doesn't support multiple subnets"],
      [['--subnet', '10.44.0.0/24', '--gateway', '10.45.0.1'], 'no matching subnet for gateway 10.45.0.1'],
      [['--ip-range', '10.44.0.0/24'], 'every ip-range or gateway must have a corresponding subnet'],
      [
        ['--subnet', '10.44.0.0/16', '--subnet', '10.44.1.0/24'],
        'multiple overlapping subnet configuration is not supported',
      ],
      [['--ipam-driver', 'null'], 'ipv4 pool is empty'],
      [['--ipam-driver', 'infoblox'], 'plugin "infoblox" not found'],
    ] as const) {
      assert.match(await refusal(...args, 'never'), new RegExp(words.replaceAll(/[.?]/g, '\\$&')), args.join(' '));
    }
    await remove('there');
  });

  test('a VPN that comes up over a network is told in the log and the status, and when it is gone', async () => {
    await create('--subnet', '10.8.0.0/24', 'office');
    await daemon.host.shell('ip link add tun0 type bridge; ip addr add 10.8.0.77/25 dev tun0; ip link set tun0 up');
    const words = 'network \\"office\\" (10.8.0.0/24) overlaps the host\'s route 10.8.0.0/25 on tun0';
    await eventually('the log tells', () => daemon.log.includes(words));
    assert.match(
      (await fairway('status')).stdout,
      /Overlaps\n.*\n {2}office {3}10\.8\.0\.0\/24 {2}route 10\.8\.0\.0\/25 on tun0/,
    );
    await daemon.host.shell('ip link del tun0');
    await eventually('the log tells of the end', () => daemon.log.includes(`no longer so: ${words}`));
    assert.doesNotMatch((await fairway('status')).stdout, /Overlaps/);
    await remove('office');
  });

  test('an overlapping network keeps its subnet over a restart; renumber plans the way out, and goes it', async () => {
    await create('--subnet', '10.8.0.0/24', 'office');
    await daemon.ok(
      'run',
      '-d',
      '--name',
      'web',
      '--network',
      'office',
      '--ip',
      '10.8.0.50',
      '-p',
      '18088:80',
      'busybox',
      'sleep',
      '600',
    );
    await daemon.host.shell('ip route add 10.8.0.0/16 via 192.0.2.1 table 100');
    await daemon.stop('SIGTERM');
    await daemon.start();
    assert.equal(await subnets('office'), '10.8.0.0/24');
    const plan = (await fairway('renumber', 'office')).stdout;
    assert.match(plan, /10\.8\.0\.0\/24 → 172\.18\.0\.0\/24, gateway 172\.18\.0\.1/);
    assert.match(plan, /web {8}running {2}10\.8\.0\.50 {2}172\.18\.0\.50 {2}--ip {2}18088 → 80\/tcp/);
    assert.match(plan, /Stop first: docker stop web/);
    assert.match((await fairway('renumber', '--apply', 'office')).stderr, /stop what runs on it first: web/);
    await daemon.ok('stop', '-t', '0', 'web');
    assert.match((await fairway('renumber', '--apply', '--subnet', '10.66.6.0/24', 'office')).stdout, /is renumbered/);
    await daemon.ok('start', 'web');
    assert.match(await daemon.ok('exec', 'web', 'ip', '-4', '-o', 'addr', 'show', 'eth0'), /10\.66\.6\.50\/24/);
    assert.match(await daemon.ok('exec', 'web', 'ip', 'route'), /default via 10\.66\.6\.1/);
    assert.match(await daemon.host.out(['ip', '-4', '-o', 'addr']), /10\.66\.6\.1\/24/);
    await eventually('all is well', async () => /Nothing to do/.test((await fairway('plan')).stdout));
    await daemon.ok('rm', '-f', 'web');
    await remove('office');
    await daemon.host.shell('ip route del 10.8.0.0/16 table 100');
  });

  test('when the configured pools are full, the error names the networks that stand idle', async () => {
    await daemon.stop('SIGTERM');
    await daemon.start(['--default-address-pool', 'base=10.77.0.0/24,size=25']);
    await create('first');
    await create('second');
    const words = await refusal('third');
    assert.match(
      words,
      /all predefined address pools have been fully subnetted; no container is on first, second: docker network prune/,
    );
    await remove('first', 'second');
  });
});
