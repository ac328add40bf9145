import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Resources } from '../model/resources.ts';
import { type CgroupAbilities, readLegacy } from '../runtime/spec/cgroups.ts';
import { checkResources, completeResources, limitWarnings } from './resources.ts';

const MIB = 1 << 20;
const nothing = readLegacy(new Map());
const everything = Object.fromEntries(
  Object.keys(nothing).map((name) => [name, name === 'cpus' ? '0-1' : name === 'mems' ? '0' : true]),
) as unknown as CgroupAbilities;

const check = (asked: Resources, abilities: Partial<CgroupAbilities> = {}, update = false) =>
  checkResources(asked, { abilities: { ...everything, ...abilities }, cpus: 2, update });

describe('limits refused in Docker’s words', () => {
  const CASES: readonly (readonly [Resources, string])[] = [
    [{ memory: 6 * MIB - 1 }, 'Minimum memory limit allowed is 6MB'],
    [{ memory: -1 }, 'Minimum memory limit allowed is 6MB'],
    [
      { memory: 64 * MIB, memorySwap: 32 * MIB },
      'Minimum memoryswap limit should be larger than memory limit, see usage',
    ],
    [{ memorySwap: 64 * MIB }, 'You should always set the Memory limit when using Memoryswap limit, see usage'],
    [{ memorySwappiness: 101 }, 'Invalid value: 101, valid memory swappiness range is 0-100'],
    [{ memoryReservation: MIB }, 'Minimum memory reservation allowed is 6MB'],
    [
      { memory: 8 * MIB, memoryReservation: 9 * MIB },
      'Minimum memory limit can not be less than memory reservation limit, see usage',
    ],
    [{ nanoCpus: 2.01e9 }, 'range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [{ nanoCpus: -1 }, 'range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [{ nanoCpus: 1e9, cpuPeriod: 2000 }, 'Conflicting options: Nano CPUs and CPU Period cannot both be set'],
    [{ nanoCpus: 1e9, cpuQuota: 2000 }, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
    [{ cpuShares: -5 }, 'invalid CPU shares (-5): value must be a positive integer'],
    [{ cpuPeriod: 999 }, 'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)'],
    [{ cpuQuota: 999 }, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
    [{ cpusetCpus: '0,2' }, 'Requested CPUs are not available - requested 0,2, available: 0-1'],
    [{ cpusetMems: '1' }, 'Requested memory nodes are not available - requested 1, available: 0'],
    [{ cpusetCpus: '0-' }, 'Invalid value 0- for cpuset cpus: invalid format: 0-'],
    [{ cpusetMems: '1-0' }, 'Invalid value 1-0 for cpuset mems: invalid format: 1-0'],
    [
      { cpusetMems: '1-9223372036854775807' },
      'Invalid value 1-9223372036854775807 for cpuset mems: value of out range, maximum is 8192',
    ],
    [{ blkioWeight: 9 }, 'Range of blkio weight is from 10 to 1000'],
  ];
  for (const [asked, message] of CASES) {
    test(message, () => assert.throws(() => check(asked), { kind: 'invalidArgument', message }));
  }

  test('what fits is taken as it is', () => {
    const asked: Resources = {
      memory: 6 * MIB,
      memorySwap: -1,
      memoryReservation: 6 * MIB,
      memorySwappiness: 100,
      nanoCpus: 2e9,
      cpusetCpus: '0-1',
      pidsLimit: 1,
      blkioWeight: 10,
    };
    assert.deepEqual(check(asked), { resources: asked, warnings: [] });
  });

  test('at an update the memory may be known already', () => {
    assert.deepEqual(check({ memorySwap: 64 * MIB }, {}, true).warnings, []);
  });
});

describe('what the kernel cannot keep', () => {
  test('is left out with a warning each', () => {
    const { resources, warnings } = check(
      { memory: 8 * MIB, memorySwap: 9 * MIB, memorySwappiness: 5, blkioWeight: 5000, pidsLimit: 3, cpuShares: 4 },
      { memory: false, memorySwappiness: false, blkioWeight: false, pids: false },
    );
    assert.deepEqual(resources, { cpuShares: 4 });
    assert.deepEqual(warnings, [
      'Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.',
      'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
      'Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.',
      'Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.',
    ]);
  });

  test('memory is limited without swap', () => {
    const { resources, warnings } = check({ memory: 8 * MIB }, { swap: false });
    assert.deepEqual(completeResources(resources), { memory: 8 * MIB, memorySwap: -1 });
    assert.match(warnings.join(), /^Your kernel does not support swap limit capabilities/);
  });

  test('--cpus has no half measures', () => {
    assert.throws(() => check({ nanoCpus: 1e9 }, { cpuQuota: false }), /^EngineError: NanoCPUs can not be set, as/);
  });

  test('what is so anyway needs no warning', () => {
    assert.deepEqual(check({ oomKillDisable: false, pidsLimit: 0 }, { oomKillDisable: false, pids: false }), {
      resources: {},
      warnings: [],
    });
  });

  test('no OOM killer and no limit is told', () => {
    assert.match(check({ oomKillDisable: true }).warnings.join(), /^OOM killer is disabled for the container, but/);
  });
});

test('docker info warns of what is missing, and of nothing that cannot be helped', () => {
  assert.deepEqual(limitWarnings({ ...everything, blkioWeight: false }, false), []);
  assert.deepEqual(limitWarnings({ ...everything, swap: false, oomKillDisable: false, readBps: false }, true), [
    'WARNING: No swap limit support',
    'WARNING: No io.max (rbps) support',
  ]);
});

test('a new container has as much swap as memory', () => {
  assert.deepEqual(completeResources({ memory: 100 }), { memory: 100, memorySwap: 200 });
  assert.deepEqual(completeResources({ memory: 100, memorySwap: 100 }), { memory: 100, memorySwap: 100 });
  assert.deepEqual(completeResources({ pidsLimit: -1 }), {});
});
