import assert from 'node:assert/strict';
import { test } from 'node:test';
import { occupantsOf } from './occupants.ts';
import type { State } from './state.ts';

test('a process of a sandbox is known, and whether one of its containers may set up its network', () => {
  const container = (id: string, sandbox: string, status: string, extra: object = {}) => [
    id,
    { id, sandbox, state: { status, pid: 7 }, spec: { privileged: false, capAdd: [], capDrop: [], ...extra } },
  ];
  const state = {
    sandboxes: new Map(['a', 'b', 'c', 'd'].map((id) => [id, { id, namespace: `sandbox:${id}` }])),
    containers: new Map([
      container('1', 'a', 'running'),
      container('2', 'b', 'running', { capAdd: ['net_admin'] }),
      container('3', 'b', 'running'),
      container('4', 'c', 'paused', { privileged: true }),
      container('5', 'd', 'exited', { capAdd: ['ALL'] }),
    ] as never),
  } as unknown as State;
  const { pidIn, maySetUp } = occupantsOf(state);
  const names = ['a', 'b', 'c', 'd'] as const;
  assert.deepEqual(
    names.map((name) => maySetUp(`sandbox:${name}`)),
    [false, true, true, false],
  );
  assert.deepEqual(
    names.map((name) => pidIn(`sandbox:${name}`)),
    [7, 7, 7, undefined],
  );
  assert.equal(pidIn('sandbox:unknown'), undefined);
});
