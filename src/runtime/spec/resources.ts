import type { Resources, ThrottledDevice } from '../../model/resources.ts';
import type { OciDeviceNumber, OciLimits } from './oci.ts';

/** Microseconds: the period in which `--cpus` is measured, as in Docker (Documentation/scheduler/sched-bwc.rst). */
const CPU_PERIOD = 100_000;

/**
 * Limits as runc takes them, for a spec and for an update of a running task. runc converts them to cgroup v2's files.
 * @param numberOf of a block device, by its path on the host
 */
export function ociLimits(resources: Resources, numberOf: (path: string) => OciDeviceNumber): OciLimits {
  const { pidsLimit } = resources;
  return {
    ...unlessEmpty('memory', memoryLimits(resources)),
    ...unlessEmpty('cpu', cpuLimits(resources)),
    // runc takes -1 for "none"; zero would be taken for "not said".
    ...(pidsLimit === undefined ? {} : { pids: { limit: pidsLimit <= 0 ? -1 : pidsLimit } }),
    ...unlessEmpty('blockIO', blockLimits(resources, numberOf)),
  };
}

/** Swap without limit is what there is without being told; hosts that cannot limit swap would not take the word. */
function memoryLimits({ memory, memorySwap, memoryReservation, ...more }: Resources): NonNullable<OciLimits['memory']> {
  return {
    ...(memory === undefined ? {} : { limit: memory }),
    ...(memorySwap === undefined || memorySwap <= 0 ? {} : { swap: memorySwap }),
    ...(memoryReservation === undefined ? {} : { reservation: memoryReservation }),
    ...(more.memorySwappiness === undefined ? {} : { swappiness: more.memorySwappiness }),
    ...(more.oomKillDisable === true ? { disableOOMKiller: true } : {}),
  };
}

function cpuLimits({ nanoCpus, cpuShares, cpuPeriod, cpuQuota, ...more }: Resources): NonNullable<OciLimits['cpu']> {
  return {
    ...(cpuShares === undefined ? {} : { shares: cpuShares }),
    ...(nanoCpus === undefined ? {} : { period: CPU_PERIOD, quota: Math.floor((nanoCpus * CPU_PERIOD) / 1e9) }),
    ...(cpuPeriod === undefined ? {} : { period: cpuPeriod }),
    ...(cpuQuota === undefined ? {} : { quota: cpuQuota }),
    ...(more.cpusetCpus === undefined ? {} : { cpus: more.cpusetCpus }),
    ...(more.cpusetMems === undefined ? {} : { mems: more.cpusetMems }),
  };
}

function blockLimits(resources: Resources, numberOf: (path: string) => OciDeviceNumber) {
  const throttles = (devices: readonly ThrottledDevice[]) =>
    devices.map(({ path, rate }) => ({ ...numberOf(path), rate }));
  const { blkioWeight, blkioWeightDevices, readBps, writeBps, readIops, writeIops } = resources;
  return {
    ...(blkioWeight === undefined ? {} : { weight: blkioWeight }),
    ...(blkioWeightDevices === undefined
      ? {}
      : { weightDevice: blkioWeightDevices.map(({ path, weight }) => ({ ...numberOf(path), weight })) }),
    ...(readBps === undefined ? {} : { throttleReadBpsDevice: throttles(readBps) }),
    ...(writeBps === undefined ? {} : { throttleWriteBpsDevice: throttles(writeBps) }),
    ...(readIops === undefined ? {} : { throttleReadIOPSDevice: throttles(readIops) }),
    ...(writeIops === undefined ? {} : { throttleWriteIOPSDevice: throttles(writeIops) }),
  };
}

function unlessEmpty<Name extends keyof OciLimits>(name: Name, value: NonNullable<OciLimits[Name]>): OciLimits {
  return Object.keys(value).length === 0 ? {} : { [name]: value };
}
