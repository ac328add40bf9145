import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';

const README = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8');

/** The rows of the README's table: topic, what works, what is refused. */
const ROWS = README.split('\n')
  .filter((line) => /^\| (commands|networks|process|life|image|files|limits|separation) \|/.test(line))
  .map((line) => line.split('|').slice(1, 4));

/** What stands in backticks in one column, of all rows that are about commands or of all others. */
function listed(column: 1 | 2, commands: boolean): string[] {
  const rows = ROWS.filter(([topic = '']) => (topic.trim() === 'commands') === commands);
  return rows.flatMap((cells) => Array.from((cells[column] ?? '').matchAll(/`([^`]+)`/g), ([, word = '']) => word));
}

/** What to give an option that does not stand alone. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  '--add-host': ['db:10.0.0.1'],
  '--annotation': ['a=b'],
  '--attach': ['stdout'],
  '--blkio-weight': ['500'],
  '--blkio-weight-device': ['/dev/loop0:500'],
  '--cap-add': ['NET_ADMIN'],
  '--cap-drop': ['ALL'],
  '--cgroup-parent': ['support-test'],
  '--cgroupns': ['private'],
  '--cidfile': ['/run/cid'],
  '--cpu-count': ['1'],
  '--cpu-percent': ['10'],
  '--cpu-period': ['100000'],
  '--cpu-quota': ['50000'],
  '--cpu-rt-period': ['1000'],
  '--cpu-rt-runtime': ['1000'],
  '--cpu-shares': ['512'],
  '--cpus': ['0.5'],
  '--cpuset-cpus': ['0'],
  '--cpuset-mems': ['0'],
  '--detach-keys': ['ctrl-x'],
  '--device': ['/dev/null:/dev/nothing'],
  '--device-cgroup-rule': ['c 1:3 rwm'],
  '--device-read-bps': ['/dev/loop0:1mb'],
  '--device-read-iops': ['/dev/loop0:100'],
  '--device-write-bps': ['/dev/loop0:1mb'],
  '--device-write-iops': ['/dev/loop0:100'],
  '--dns': ['192.0.2.1'],
  '--dns-option': ['ndots:1'],
  '--dns-search': ['example.test'],
  '--domainname': ['example.test'],
  '--entrypoint': ['true'],
  '--env': ['A=b'],
  '--env-file': ['/dev/null'],
  '--expose': ['80'],
  '--gpus': ['all'],
  '--group-add': ['100'],
  '--health-cmd': ['true'],
  '--health-interval': ['1s'],
  '--health-retries': ['2'],
  '--health-start-interval': ['1s'],
  '--health-start-period': ['1s'],
  '--health-timeout': ['1s'],
  '--hostname': ['host'],
  '--io-maxbandwidth': ['1mb'],
  '--io-maxiops': ['10'],
  '--ip': ['10.90.0.9', '--network', 'given'],
  '--ip6': ['fd00::9', '--network', 'given'],
  '--ipc': ['private'],
  '--isolation': ['default'],
  '--kernel-memory': ['64m'],
  '--label': ['a=b'],
  '--label-file': ['/dev/null'],
  '--link': ['other:alias'],
  '--link-local-ip': ['169.254.1.9', '--network', 'given'],
  '--log-driver': ['local'],
  '--log-opt': ['max-size=1m'],
  '--mac-address': ['02:00:00:00:00:09'],
  '--memory': ['64m'],
  '--memory-reservation': ['32m'],
  '--memory-swap': ['128m', '--memory', '64m'],
  '--memory-swappiness': ['10'],
  '--mount': ['type=tmpfs,target=/t'],
  '--name': ['named'],
  '--network': ['given'],
  '--network-alias': ['alias', '--network', 'given'],
  '--oom-score-adj': ['10'],
  '--pid': ['host'],
  '--pids-limit': ['100'],
  '--platform': ['linux'],
  '--publish': ['8080:80'],
  '--pull': ['never'],
  '--restart': ['on-failure:2'],
  '--runtime': ['runc'],
  '--security-opt': ['no-new-privileges'],
  '--shm-size': ['32m'],
  '--stop-signal': ['SIGINT'],
  '--stop-timeout': ['1'],
  '--storage-opt': ['size=1G'],
  '--sysctl': ['net.ipv4.ip_forward=1'],
  '--tmpfs': ['/t'],
  '--ulimit': ['nofile=100'],
  '--user': ['1000'],
  '--userns': ['host'],
  '--uts': ['host'],
  '--volume': ['/anonymous'],
  '--volume-driver': ['nfs', '--volume', '/anonymous'],
  '--volumes-from': ['other'],
  '--workdir': ['/made'],
};

const WORDS_OF_REFUSAL = /not supported|only supported|requires|unknown flag|not a swarm manager/i;

/** Options whose effect is over before the container is created, or shows only in a run; CLIs of our day do not send --kernel-memory. */
const OF_THE_CLIENT = ['--detach', '--detach-keys', '--help', '--kernel-memory', '--sig-proxy'];

describe('the README’s table', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await TestDaemon.create();
    await daemon.ok('network', 'create', '--ipv6', '--subnet', '10.90.0.0/24', '--subnet', 'fd00::/64', 'given');
    await daemon.ok('create', '--name', 'other', 'busybox');
  });
  after(() => daemon[Symbol.asyncDispose]());

  test('names every command of the docker CLI once', async () => {
    const help = (await daemon.ok('--help')).split('Global Options')[0] ?? '';
    const commands = Array.from(help.matchAll(/^ {2}([a-z]+)\*? {2,}/gm), ([, command = '']) => command);
    const named = [...listed(1, true), ...listed(2, true)];
    assert.equal(new Set(named).size, named.length, 'one stands there twice');
    assert.deepEqual(
      commands.filter((command) => !named.includes(command)),
      [],
      'commands that stand nowhere',
    );
  });

  test('names every option of docker run once', async () => {
    const help = await daemon.ok('run', '--help');
    const options = Array.from(help.matchAll(/^ {2}(?:-\w, | {4})(--[a-z0-9-]+)/gm), ([, option = '']) => option);
    assert.ok(options.length > 80, `only ${options.length} options found`);
    const named = [...listed(1, false), ...listed(2, false)];
    assert.equal(new Set(named).size, named.length, 'one stands there twice');
    assert.deepEqual(
      options.filter((option) => !named.includes(option)),
      [],
      'options that stand nowhere',
    );
  });

  test('options that work are taken, and those that are refused are refused in words', async () => {
    const known = await daemon.ok('create', '--help');
    const there = (option: string) => known.includes(` ${option} `) && !OF_THE_CLIENT.includes(option);
    const create = (option: string) =>
      daemon.docker(['create', ...[option, ...(VALUES[option] ?? [])], 'busybox', 'true']);
    const wrong: string[] = [];
    for (const option of listed(1, false).filter(there)) {
      const { code, stderr } = await create(option);
      if (code !== 0) wrong.push(`${option} is refused: ${stderr}`);
    }
    for (const option of listed(2, false).filter(there)) {
      const { code, stderr } = await create(option);
      if (code === 0) wrong.push(`${option} is taken`);
      else if (!WORDS_OF_REFUSAL.test(stderr)) wrong.push(`${option} is refused in other words: ${stderr}`);
    }
    assert.deepEqual(wrong, []);
  });

  test('commands that are refused say so', async () => {
    const LINES: Readonly<Record<string, readonly string[]>> = {
      checkpoint: ['checkpoint', 'ls', 'other'],
      config: ['config', 'ls'],
      node: ['node', 'ls'],
      plugin: ['plugin', 'install', '--grant-all-permissions', 'nosuch/plugin'],
      search: ['search', 'busybox'],
      secret: ['secret', 'ls'],
      service: ['service', 'ls'],
      stack: ['stack', 'ls'],
      swarm: ['swarm', 'init'],
    };
    for (const command of listed(2, true)) {
      const { code, stderr } = await daemon.docker(LINES[command] ?? [command]);
      assert.notEqual(code, 0, `${command} is taken`);
      assert.match(stderr, WORDS_OF_REFUSAL, command);
    }
  });
});
