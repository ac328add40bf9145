import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hierarchies } from './cgroup-parent.ts';

test('cgroups are found where they are mounted: v1, hybrid and v2', () => {
  const hybrid = [
    '31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755',
    '32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu',
    '41 31 0:38 /../.. /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw',
    '',
  ];
  assert.deepEqual(hierarchies(hybrid.join('\n')), ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/unified']);
  const unified = '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 master:2 - cgroup2 cgroup2 rw,nsdelegate\n';
  assert.deepEqual(hierarchies(unified), ['/sys/fs/cgroup']);
});
