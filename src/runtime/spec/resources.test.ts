import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ociLimits } from './resources.ts';

const numberOf = (path: string) => ({ major: 8, minor: path === '/dev/sdb' ? 16 : 0 });

test('nothing asked for is nothing said', () => {
  assert.deepEqual(ociLimits({}, numberOf), {});
  assert.deepEqual(ociLimits({ oomKillDisable: false, memorySwap: -1 }, numberOf), {});
});

test('memory and swap in bytes', () => {
  const { memory } = ociLimits(
    { memory: 100, memorySwap: 200, memoryReservation: 50, memorySwappiness: 0, oomKillDisable: true },
    numberOf,
  );
  assert.deepEqual(memory, { limit: 100, swap: 200, reservation: 50, swappiness: 0, disableOOMKiller: true });
});

test('--cpus is a quota of a tenth of a second; --cpu-quota and --cpu-period are what they are', () => {
  assert.deepEqual(ociLimits({ nanoCpus: 1.5e9 }, numberOf).cpu, { period: 100_000, quota: 150_000 });
  const cpu = { cpuQuota: -1, cpuPeriod: 50_000, cpuShares: 2, cpusetCpus: '1', cpusetMems: '0' };
  assert.deepEqual(ociLimits(cpu, numberOf).cpu, { shares: 2, period: 50_000, quota: -1, cpus: '1', mems: '0' });
});

test('no limit on processes is -1 to runc', () => {
  assert.deepEqual(ociLimits({ pidsLimit: 0 }, numberOf).pids, { limit: -1 });
  assert.deepEqual(ociLimits({ pidsLimit: 7 }, numberOf).pids, { limit: 7 });
});

test('devices by their numbers', () => {
  const { blockIO } = ociLimits(
    {
      blkioWeight: 300,
      blkioWeightDevices: [{ path: '/dev/sda', weight: 20 }],
      writeIops: [{ path: '/dev/sdb', rate: 9 }],
    },
    numberOf,
  );
  assert.deepEqual(blockIO, {
    weight: 300,
    weightDevice: [{ major: 8, minor: 0, weight: 20 }],
    throttleWriteIOPSDevice: [{ major: 8, minor: 16, rate: 9 }],
  });
});
