import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { BlockCounter, MachineUsage, Usage } from '../../model/usage.ts';
import { legacyMounts } from '../spec/cgroups.ts';
import { MEMORY_LEGACY, MEMORY_UNIFIED } from './memory-fields.ts';

/** USER_HZ is 100 on every architecture that Fairway runs on. */
const NANOSECONDS_A_TICK = 1e9 / 100;

/**
 * Reads a container's counters out of the kernel's own files, without asking containerd and its shim.
 * @param path of its cgroup, below the root of every hierarchy: "/fairway/<id>"
 * @throws Error ENOENT when the container is gone
 */
export function readUsage(path: string, unified: boolean): Usage {
  if (unified) return readUnifiedUsage((file) => readFileSync(join('/sys/fs/cgroup', path, file), 'utf8'));
  const mounts = legacyMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  return readLegacyUsage((controller, file) => {
    const folder = mounts.get(controller);
    return folder === undefined ? '' : readFileSync(join(folder, path, file), 'utf8');
  });
}

/** @param read a file of a controller's folder; '' where the controller is not mounted */
export function readLegacyUsage(read: (controller: string, file: string) => string): Usage {
  const number = (controller: string, file: string) => Number(read(controller, file));
  const ticks = readPairs(read('cpuacct', 'cpuacct.stat'));
  const throttling = readPairs(read('cpu', 'cpu.stat'));
  return {
    cpu: {
      total: number('cpuacct', 'cpuacct.usage'),
      kernel: (ticks['system'] ?? 0) * NANOSECONDS_A_TICK,
      user: (ticks['user'] ?? 0) * NANOSECONDS_A_TICK,
      perProcessor: words(read('cpuacct', 'cpuacct.usage_percpu')).map(Number),
      periods: throttling['nr_periods'] ?? 0,
      throttledPeriods: throttling['nr_throttled'] ?? 0,
      throttledTime: throttling['throttled_time'] ?? 0,
    },
    memory: {
      usage: number('memory', 'memory.usage_in_bytes'),
      most: number('memory', 'memory.max_usage_in_bytes'),
      failures: number('memory', 'memory.failcnt'),
      limit: Math.min(number('memory', 'memory.limit_in_bytes') || totalmem(), totalmem()),
      details: pick(readPairs(read('memory', 'memory.stat')), MEMORY_LEGACY),
    },
    processes: readProcesses((file) => read('pids', file)),
    blocks: readLegacyBlocks((file) => read('blkio', file)),
  };
}

/** Two schedulers count by themselves; where BFQ is not in use, the throttle's counters are those that move. */
function readLegacyBlocks(read: (file: string) => string): Usage['blocks'] {
  const counters = (kind: string) => {
    const scheduled = parseLegacyBlocks(readOptional(read, `blkio.bfq.${kind}_recursive`));
    return scheduled.length > 0 ? scheduled : parseLegacyBlocks(readOptional(read, `blkio.throttle.${kind}_recursive`));
  };
  return { bytes: counters('io_service_bytes'), operations: counters('io_serviced') };
}

/** "8:0 Read 4096", and one line "Total 4096" of no device. */
function parseLegacyBlocks(text: string): BlockCounter[] {
  return Array.from(text.matchAll(/^(\d+):(\d+) (\w+) (\d+)$/gm), ([, major, minor, operation = '', value]) => {
    return { major: Number(major), minor: Number(minor), operation, value: Number(value) };
  });
}

/** @param read a file of the container's folder */
export function readUnifiedUsage(read: (file: string) => string): Usage {
  const cpu = readPairs(read('cpu.stat'));
  const limit = readOptional(read, 'memory.max').trim();
  return {
    cpu: {
      total: (cpu['usage_usec'] ?? 0) * 1000,
      kernel: (cpu['system_usec'] ?? 0) * 1000,
      user: (cpu['user_usec'] ?? 0) * 1000,
      periods: cpu['nr_periods'] ?? 0,
      throttledPeriods: cpu['nr_throttled'] ?? 0,
      throttledTime: (cpu['throttled_usec'] ?? 0) * 1000,
    },
    memory: {
      usage: Number(readOptional(read, 'memory.current')),
      failures: readPairs(readOptional(read, 'memory.events'))['oom'] ?? 0,
      limit: /^\d+$/.test(limit) ? Math.min(Number(limit), totalmem()) : totalmem(),
      details: pick(readPairs(readOptional(read, 'memory.stat')), MEMORY_UNIFIED),
    },
    processes: readProcesses((file) => readOptional(read, file)),
    blocks: { bytes: parseUnifiedBlocks(readOptional(read, 'io.stat')) },
  };
}

/** "8:0 rbytes=4096 wbytes=0 rios=1 …" */
function parseUnifiedBlocks(text: string): BlockCounter[] {
  const lines = text.matchAll(/^(\d+):(\d+) .*?rbytes=(\d+) wbytes=(\d+)/gm);
  return Array.from(lines).flatMap(([, major, minor, read, written]) => {
    const device = { major: Number(major), minor: Number(minor) };
    return [
      { ...device, operation: 'read', value: Number(read) },
      { ...device, operation: 'write', value: Number(written) },
    ];
  });
}

function readProcesses(read: (file: string) => string): Usage['processes'] {
  const limit = read('pids.max').trim();
  return { current: Number(read('pids.current')), ...(/^\d+$/.test(limit) ? { limit: Number(limit) } : {}) };
}

/** The first line of /proc/stat: ticks in user, nice, system, idle, iowait, irq and softirq; proc(5). */
export function readMachineUsage(text = readFileSync('/proc/stat', 'utf8')): MachineUsage {
  const ticks = words(/^cpu +(.*)$/m.exec(text)?.[1] ?? '').slice(0, 7);
  const processors = text.match(/^cpu\d+ /gm)?.length ?? 0;
  return { total: ticks.reduce((sum, tick) => sum + Number(tick), 0) * NANOSECONDS_A_TICK, processors };
}

/** Lines of a name and a number. */
function readPairs(text: string): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Array.from(text.matchAll(/^(\w+) (\d+)$/gm), ([, name = '', value]) => [name, Number(value)]),
  );
}

function pick(values: Readonly<Record<string, number>>, names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, values[name] ?? 0]));
}

/** Of a controller that this kernel, or this cgroup, does not have: ''. */
function readOptional(read: (file: string) => string, file: string): string {
  try {
    return read(file);
  } catch {
    return '';
  }
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
