import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Disk } from '../crash/disk.ts';
import { recordCourse } from '../crash/lap.ts';
import { LIFE } from '../crash/life.ts';
import { CrashMachine } from '../crash/machine.ts';
import { cutPower } from '../crash/power.ts';

test('power lost after any write to the store leaves nothing half done', async () => {
  await using machine = await CrashMachine.create();
  const disks: Disk[] = [];
  await recordCourse(machine, async (operations) => {
    disks.push(await machine.disk(String(operations)));
  });
  const tallies = [];
  for (const [index, operation] of LIFE.entries()) {
    const { name } = operation;
    const [before, after] = [disks[index], disks[index + 1]];
    if (before === undefined || after === undefined) throw new Error(`no disk of ${name}`);
    const { cuts, problems } = await cutPower(operation, before, after);
    console.log(`${name}: ${cuts} cuts`, ...problems);
    tallies.push({ name, cuts, problems });
  }
  console.table(tallies.map(({ name, cuts, problems }) => ({ name, cuts, differences: problems.length })));
  assert.deepEqual(
    tallies.flatMap(({ problems }) => problems),
    [],
  );
});
