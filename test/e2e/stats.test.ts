import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestDaemon } from '../daemon.ts';
import { eventually } from '../host.ts';
import { KernelLimits } from './kernel-limits.ts';

const MIB = 1 << 20;

describe('docker stats', () => {
  let daemon: TestDaemon;
  let id = '';
  before(async () => {
    daemon = await TestDaemon.create();
    id = await daemon.ok(
      'run',
      '-d',
      '--name',
      'busy',
      '-m',
      '64m',
      '--pids-limit',
      '50',
      'busybox',
      'sleep',
      'infinity',
    );
  });
  after(() => daemon[Symbol.asyncDispose]());

  const look = async (name: string, query = 'stream=0&one-shot=1') => {
    const { status, body } = await daemon.api('GET', `/containers/${name}/stats?${query}`);
    assert.equal(status, 200, body);
    return JSON.parse(body);
  };

  test('the kernel’s own files say the same', async () => {
    const limits = await KernelLimits.of(daemon.host, `/fairway/${id}`);
    const cpu = async () => {
      if (!limits.unified) return Number(await limits.read('cpuacct/cpuacct.usage', ''));
      return Number(/usage_usec (\d+)/.exec(await limits.read('', 'cpu.stat'))?.[1]) * 1000;
    };
    const earlier = await cpu();
    const stats = await look('busy');
    assert.ok(
      earlier <= stats.cpu_stats.cpu_usage.total_usage && stats.cpu_stats.cpu_usage.total_usage <= (await cpu()),
    );
    assert.deepEqual([stats.name, stats.id, stats.num_procs], ['/busy', id, 0]);
    assert.equal(stats.pids_stats.limit, 50);
    await eventually('there is one process', async () => (await look('busy')).pids_stats.current === 1);
    assert.equal(stats.memory_stats.limit, 64 * MIB);
    await eventually('memory agrees', async () => {
      const kernel = Number(await limits.read('memory/memory.usage_in_bytes', 'memory.current'));
      return (await look('busy')).memory_stats.usage === kernel;
    });
    assert.ok(stats.cpu_stats.system_cpu_usage > 0 && stats.cpu_stats.online_cpus > 0);
    assert.equal('percpu_usage' in stats.cpu_stats.cpu_usage, !limits.unified);
  });

  test('each interface by itself, as the sandbox counts', async () => {
    await daemon.ok('network', 'create', 'second');
    await daemon.ok('network', 'connect', 'second', 'busy');
    await daemon.ok('exec', 'busy', 'ping', '-c', '3', '-i', '0.2', '-s', '1000', '172.17.0.1');
    const kernel = async () => {
      const text = await daemon.ok('exec', 'busy', 'cat', '/proc/net/dev');
      return Array.from(text.matchAll(/(eth\d+): *(\d+) +(\d+)(?: +\d+){6} +(\d+) +(\d+)/g), (match) => match.slice(1));
    };
    await eventually('counters agree', async () => {
      const stats = await look('busy');
      const told = Object.entries(stats.networks as Record<string, Record<string, number>>).map(([name, counters]) =>
        [name, counters['rx_bytes'], counters['rx_packets'], counters['tx_bytes'], counters['tx_packets']].map(String),
      );
      return told.length === 2 && JSON.stringify(told) === JSON.stringify(await kernel());
    });
    assert.ok((await look('busy')).networks.eth0.tx_bytes >= 3000);
  });

  test('who shares a network shows it, who is in the host’s shows none', async () => {
    await daemon.ok('run', '-d', '--name', 'guest', '--network', 'container:busy', 'busybox', 'sleep', 'infinity');
    assert.deepEqual(Object.keys((await look('guest')).networks), ['eth0', 'eth1']);
    await daemon.ok('run', '-d', '--name', 'open', '--network', 'host', 'busybox', 'sleep', 'infinity');
    assert.equal('networks' in (await look('open')), false);
    await daemon.ok('rm', '-f', 'guest', 'open');
  });

  test('processor time of a busy loop, and the look before', async () => {
    await daemon.ok('exec', '-d', 'busy', 'sh', '-c', 'while :; do :; done');
    const stats = await look('busy', 'stream=0');
    assert.ok(stats.precpu_stats.cpu_usage.total_usage > 0);
    assert.ok(stats.cpu_stats.cpu_usage.total_usage > stats.precpu_stats.cpu_usage.total_usage);
    assert.ok(Date.parse(stats.read) > Date.parse(stats.preread));
    assert.equal((await look('busy')).preread, '0001-01-01T00:00:00Z');
  });

  test('the CLI’s table, once and as a stream', async () => {
    const row = JSON.parse(await daemon.ok('stats', '--no-stream', '--format', 'json', 'busy'));
    assert.deepEqual([row.Name, row.PIDs], ['busy', '2']);
    assert.match(row.MemUsage, / \/ 64MiB$/);
    assert.match(row.NetIO, /B \/ .*B$/);
    const child = daemon.host.spawn(['docker', 'stats', '--format', '{{.Name}} {{.CPUPerc}}', 'busy'], daemon.env());
    let shown = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      shown += chunk.toString();
    });
    await eventually(
      'a second look shows processor time',
      () => /busy [1-9][\d.]*%|busy 0\.\d*[1-9]/.test(shown),
      30_000,
    );
    child.kill();
  });

  test('a container that does not run uses nothing; a stream ends with the container', async () => {
    const idle = await daemon.ok('create', '--name', 'idle', 'busybox', 'true');
    const stats = await look('idle', 'stream=0');
    assert.deepEqual([stats.id, stats.pids_stats, stats.memory_stats], [idle, {}, {}]);
    assert.equal(stats.cpu_stats.cpu_usage.total_usage, 0);
    const stream = daemon.api('GET', '/containers/idle/stats');
    await daemon.ok('rm', 'idle');
    assert.match((await stream).body, /"name":"\/idle"|No such container/);
    assert.equal((await daemon.api('GET', '/containers/nosuch/stats')).status, 404);
    assert.equal((await daemon.api('GET', '/containers/busy/stats?one-shot=1')).status, 400);
  });
});
