import type { Resources, ThrottledDevice, WeightedDevice } from '../../model/resources.ts';
import type { Fields } from './fields.ts';

/**
 * The limits of a HostConfig, and of the body of POST /containers/{id}/update, which has the same fields at its top. Whether
 * the host can keep them is judged by `checkResources`.
 * @throws EngineError invalidArgument for values of a wrong type
 */
export function parseResources(fields: Fields): Resources {
  return {
    ...parseMemory(fields),
    ...parseProcessor(fields),
    ...parseBlockIo(fields),
  };
}

/** Clients send -1 for a swappiness that nobody chose. */
function parseMemory(fields: Fields): Resources {
  const swappiness = fields.integer('MemorySwappiness');
  const oomKillDisable = fields.optionalFlag('OomKillDisable');
  const pidsLimit = fields.integer('PidsLimit');
  return {
    ...given('memory', fields.integer('Memory')),
    ...given('memorySwap', fields.integer('MemorySwap')),
    ...given('memoryReservation', fields.integer('MemoryReservation')),
    ...(swappiness === undefined || swappiness === -1 ? {} : { memorySwappiness: swappiness }),
    ...(oomKillDisable === undefined ? {} : { oomKillDisable }),
    // Zero means something here: an update by 0, or by less, lifts the limit.
    ...(pidsLimit === undefined ? {} : { pidsLimit: Math.max(0, pidsLimit) }),
  };
}

function parseProcessor(fields: Fields): Resources {
  return {
    ...given('nanoCpus', fields.integer('NanoCpus')),
    ...given('cpuShares', fields.integer('CpuShares')),
    ...given('cpuPeriod', fields.integer('CpuPeriod')),
    ...given('cpuQuota', fields.integer('CpuQuota')),
    ...given('cpusetCpus', fields.text('CpusetCpus')),
    ...given('cpusetMems', fields.text('CpusetMems')),
  };
}

function parseBlockIo(fields: Fields): Resources {
  return {
    ...given('blkioWeight', fields.integer('BlkioWeight')),
    ...given('blkioWeightDevices', parseWeights(fields.children('BlkioWeightDevice'))),
    ...given('readBps', parseRates(fields.children('BlkioDeviceReadBps'))),
    ...given('writeBps', parseRates(fields.children('BlkioDeviceWriteBps'))),
    ...given('readIops', parseRates(fields.children('BlkioDeviceReadIOps'))),
    ...given('writeIops', parseRates(fields.children('BlkioDeviceWriteIOps'))),
  };
}

/** {} for the zero value, which says that nothing was asked. */
function given<Name extends keyof Resources>(name: Name, value: Resources[Name]): Pick<Resources, Name> {
  const isZero = value === undefined || value === 0 || value === '' || (Array.isArray(value) && value.length === 0);
  return (isZero ? {} : { [name]: value }) as Pick<Resources, Name>;
}

function parseRates(devices: readonly Fields[]): ThrottledDevice[] {
  return devices.map((device) => {
    const parsed = { path: device.text('Path'), rate: device.integer('Rate') ?? 0 };
    device.close();
    return parsed;
  });
}

function parseWeights(devices: readonly Fields[]): WeightedDevice[] {
  return devices.map((device) => {
    const parsed = { path: device.text('Path'), weight: device.integer('Weight') ?? 0 };
    device.close();
    return parsed;
  });
}
