import assert from 'node:assert/strict';
import { totalmem } from 'node:os';
import { test } from 'node:test';
import { readLegacyUsage, readMachineUsage, readUnifiedUsage } from './cgroup.ts';

const LEGACY: Readonly<Record<string, string>> = {
  'cpuacct.usage': '159657337\n',
  'cpuacct.usage_percpu': '89289416 70367921 \n',
  'cpuacct.stat': 'user 8\nsystem 7\n',
  'cpu.stat': 'nr_periods 3\nnr_throttled 2\nthrottled_time 500\n',
  'memory.usage_in_bytes': '516096\n',
  'memory.max_usage_in_bytes': '4349952\n',
  'memory.failcnt': '0\n',
  'memory.limit_in_bytes': '9223372036854771712\n',
  'memory.stat': 'cache 4096\nrss 110592\nswap 0\ntotal_rss 110592\n',
  'pids.current': '2\n',
  'pids.max': 'max\n',
  'blkio.bfq.io_service_bytes_recursive': '',
  'blkio.throttle.io_service_bytes_recursive': '8:0 Read 4096\n8:0 Total 4096\nTotal 4096\n',
  'blkio.throttle.io_serviced_recursive': '',
};

test('v1: each controller’s files', () => {
  const usage = readLegacyUsage((_, file) => {
    const text = LEGACY[file];
    if (text === undefined) throw new Error(file);
    return text;
  });
  assert.deepEqual(usage.cpu, {
    total: 159657337,
    kernel: 70_000_000,
    user: 80_000_000,
    perProcessor: [89289416, 70367921],
    periods: 3,
    throttledPeriods: 2,
    throttledTime: 500,
  });
  const { details, ...memory } = usage.memory;
  assert.deepEqual(memory, { usage: 516096, most: 4349952, failures: 0, limit: totalmem() });
  assert.deepEqual(
    [details['rss'], details['total_rss'], details['swap'], Object.keys(details).length],
    [110592, 110592, undefined, 32],
  );
  assert.deepEqual(usage.processes, { current: 2 });
  assert.deepEqual(
    usage.blocks.bytes.map(({ operation, value }) => [operation, value]),
    [
      ['Read', 4096],
      ['Total', 4096],
    ],
  );
});

test('v2: one folder; microseconds become nanoseconds', () => {
  const files: Readonly<Record<string, string>> = {
    'cpu.stat': 'usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_periods 1\nnr_throttled 1\nthrottled_usec 9\n',
    'memory.current': '4096\n',
    'memory.max': '67108864\n',
    'memory.events': 'low 0\nmax 4\noom 2\noom_kill 2\n',
    'memory.stat': 'anon 1024\nfile 2048\n',
    'pids.current': '1\n',
    'pids.max': '20\n',
    'io.stat': '8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n',
  };
  const usage = readUnifiedUsage((file) => files[file] ?? '');
  assert.deepEqual(
    [usage.cpu.total, usage.cpu.user, usage.cpu.kernel, usage.cpu.throttledTime],
    [5000, 3000, 2000, 9000],
  );
  assert.deepEqual([usage.memory.usage, usage.memory.limit, usage.memory.failures], [4096, 67108864, 2]);
  assert.equal(usage.memory.details['anon'], 1024);
  assert.deepEqual(usage.processes, { current: 1, limit: 20 });
  assert.deepEqual(usage.blocks, {
    bytes: [
      { major: 8, minor: 0, operation: 'read', value: 10 },
      { major: 8, minor: 0, operation: 'write', value: 20 },
    ],
  });
});

test('the machine: seven kinds of time, guests not counted twice', () => {
  const text = 'cpu  1 2 3 4 5 6 7 800 900 1000\ncpu0 1 1 1 1 1 1 1 0 0 0\ncpu1 0 1 2 3 4 5 6 0 0 0\nintr 5\n';
  assert.deepEqual(readMachineUsage(text), { total: 28 * 10_000_000, processors: 2 });
});
