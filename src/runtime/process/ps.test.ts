import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseTable } from './ps.ts';

const OUTPUT = `UID          PID    PPID  C STIME TTY          TIME CMD
root           1       0  0 01:00 ?        00:00:01 /sbin/init
root        8840    8813  0 01:22 ?        00:00:00 sh -c echo hi; sleep 1
root           -       -  0 01:22 ?        00:00:00 -
root       12424    8840  0 01:23 ?        00:00:00 sleep 1
`;

test('the container’s processes, the command in one piece, threads with their process', () => {
  const { titles, processes } = parseTable(OUTPUT, new Set([8840, 12424]));
  assert.deepEqual(titles, ['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD']);
  assert.deepEqual(
    processes.map((fields) => [fields[1], fields[7]]),
    [
      ['8840', 'sh -c echo hi; sleep 1'],
      ['-', '-'],
      ['12424', 'sleep 1'],
    ],
  );
});

test('without a PID column nothing can be said', () => {
  assert.throws(() => parseTable('CMD\nsh\n', new Set([1])), /Couldn't find PID field in ps output/);
});
