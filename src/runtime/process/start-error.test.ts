import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GrpcError } from '../../grpc/error.ts';
import { EngineError } from '../../model/errors.ts';
import { StartError, startError } from './start-error.ts';

function mapped(message: string): unknown {
  return startError(new GrpcError('UNKNOWN', '/Create', message), 'task: ');
}

const cases = [
  { said: 'exec: "x": executable file not found in $PATH: unknown', kind: 'invalidArgument', exitCode: 127, added: '' },
  { said: 'stat /x: no such file or directory: unknown', kind: 'invalidArgument', exitCode: 127, added: '' },
  { said: 'exec: "/x": permission denied: unknown', kind: 'invalidArgument', exitCode: 126, added: '' },
  { said: 'exec: "/": is a directory: unknown', kind: 'invalidArgument', exitCode: 126, added: ': permission denied' },
  {
    said: 'OCI runtime create failed: open executable: Permission denied: unknown',
    shown: 'OCI runtime create failed: open executable: permission denied: unknown',
    kind: 'invalidArgument',
    exitCode: 126,
    added: '',
  },
  { said: 'something else', kind: 'internal', exitCode: 128, added: '' },
];

for (const { said, shown = said, kind, exitCode, added } of cases) {
  test(`"${said}" is ${kind} with ${exitCode}`, () => {
    const error = mapped(said);
    assert.ok(error instanceof StartError);
    assert.deepEqual([error.kind, error.exitCode, error.message], [kind, exitCode, `task: ${shown}${added}`]);
  });
}

test('a file mounted on a directory comes with Docker’s advice', () => {
  const error = mapped('mount through procfd: not a directory: unknown');
  assert.match(
    String(error),
    /: not a directory: unknown: Are you trying to mount a directory onto a file \(or vice-versa\)\?/,
  );
});

test('what is not about the process stays as it is', () => {
  const lost = new GrpcError('UNAVAILABLE', '/Create', 'connection closed');
  assert.equal(startError(lost, 'task: '), lost);
  const other = new EngineError('internal', 'other');
  assert.equal(startError(other, 'task: '), other);
});
