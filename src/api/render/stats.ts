import type { Sample, Stats } from '../../engine/stats.ts';
import { NEVER } from '../../model/container.ts';
import type { BlockCounter, LinkCounters } from '../../model/usage.ts';

/** One answer of GET /containers/{id}/stats. Docker leaves out zeros in some places and tells them in others. */
export function renderStats({ container, now, before }: Stats) {
  return {
    name: `/${container.name}`,
    id: container.id,
    read: now?.at ?? NEVER,
    preread: before?.at ?? NEVER,
    pids_stats: now === undefined ? {} : renderProcesses(now),
    blkio_stats: renderBlocks(now),
    num_procs: 0,
    storage_stats: {},
    cpu_stats: renderCpu(now),
    precpu_stats: renderCpu(before),
    memory_stats: now === undefined ? {} : renderMemory(now),
    ...(now === undefined || now.networks.size === 0 ? {} : { networks: renderNetworks(now.networks) }),
  };
}

function renderProcesses({ usage: { processes } }: Sample) {
  return { current: processes.current, ...(processes.limit === undefined ? {} : { limit: processes.limit }) };
}

function renderCpu(sample: Sample | undefined) {
  const cpu = sample?.usage.cpu;
  return {
    cpu_usage: {
      total_usage: cpu?.total ?? 0,
      ...(cpu?.perProcessor === undefined ? {} : { percpu_usage: cpu.perProcessor }),
      usage_in_kernelmode: cpu?.kernel ?? 0,
      usage_in_usermode: cpu?.user ?? 0,
    },
    ...(sample === undefined ? {} : { system_cpu_usage: sample.machine.total, online_cpus: sample.machine.processors }),
    throttling_data: {
      periods: cpu?.periods ?? 0,
      throttled_periods: cpu?.throttledPeriods ?? 0,
      throttled_time: cpu?.throttledTime ?? 0,
    },
  };
}

function renderMemory({ usage: { memory } }: Sample) {
  return {
    usage: memory.usage,
    ...(memory.most === undefined ? {} : { max_usage: memory.most }),
    stats: memory.details,
    ...(memory.failures === 0 ? {} : { failcnt: memory.failures }),
    limit: memory.limit,
  };
}

/** v2 counts bytes alone: what it does not have is null. */
function renderBlocks(sample: Sample | undefined) {
  const blocks = sample?.usage.blocks;
  const legacy = blocks?.operations === undefined ? null : [];
  return {
    io_service_bytes_recursive: blocks === undefined ? null : renderCounters(blocks.bytes),
    io_serviced_recursive: blocks?.operations === undefined ? null : renderCounters(blocks.operations),
    io_queue_recursive: legacy,
    io_service_time_recursive: legacy,
    io_wait_time_recursive: legacy,
    io_merged_recursive: legacy,
    io_time_recursive: legacy,
    sectors_recursive: legacy,
  };
}

function renderCounters(counters: readonly BlockCounter[]) {
  return counters.map(({ major, minor, operation, value }) => ({ major, minor, op: operation, value }));
}

function renderNetworks(networks: ReadonlyMap<string, LinkCounters>) {
  const rendered = [...networks].map(([name, { received, sent }]) => [
    name,
    {
      rx_bytes: received.bytes,
      rx_packets: received.packets,
      rx_errors: received.errors,
      rx_dropped: received.dropped,
      tx_bytes: sent.bytes,
      tx_packets: sent.packets,
      tx_errors: sent.errors,
      tx_dropped: sent.dropped,
    },
  ]);
  return Object.fromEntries(rendered);
}
