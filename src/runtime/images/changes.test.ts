import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyChanges } from './changes.ts';

test('commands in both forms', () => {
  assert.deepEqual(applyChanges({}, ['CMD ["sh", "-c", "echo hi"]']), { Cmd: ['sh', '-c', 'echo hi'] });
  assert.deepEqual(applyChanges({}, ['cmd echo "hi"  there']), { Cmd: ['/bin/sh', '-c', 'echo "hi"  there'] });
  assert.deepEqual(applyChanges({}, ['ENTRYPOINT []']), { Entrypoint: [] });
  assert.deepEqual(applyChanges({}, ['ENTRYPOINT ["unclosed"']), { Entrypoint: ['/bin/sh', '-c', '["unclosed"'] });
  assert.deepEqual(applyChanges({ Cmd: ['old'] }, ['CMD ["new"]']), { Cmd: ['new'] });
});

test('variables: quotes, the old form, replacement, and the last one wins', () => {
  const env = (...changes: string[]) => applyChanges({}, changes).Env;
  assert.deepEqual(env('ENV A=1 B="two words" C=three\\ words'), ['A=1', 'B=two words', 'C=three words']);
  assert.deepEqual(env('ENV A the rest of it'), ['A=the rest of it']);
  assert.deepEqual(env('ENV A=1', `ENV B=$A-$\{A}-$\{X:-none}-$\{A:+set}`, 'ENV C=\'$A\' D="$A"'), [
    'A=1',
    'B=1-1-none-set',
    'C=$A',
    'D=1',
  ]);
  assert.deepEqual(env('ENV A=1 B=2', 'ENV A=3'), ['A=3', 'B=2']);
  assert.deepEqual(env('ENV A=\\$B'), ['A=$B']);
});

test('ports, volumes, labels, user, directory, signal', () => {
  assert.deepEqual(applyChanges({}, ['EXPOSE 80 53/udp 8000-8002/TCP']).ExposedPorts, {
    '80/tcp': {},
    '53/udp': {},
    '8000/tcp': {},
    '8001/tcp': {},
    '8002/tcp': {},
  });
  assert.deepEqual(applyChanges({}, ['VOLUME /a /b', 'VOLUME ["/c d"]']).Volumes, { '/a': {}, '/b': {}, '/c d': {} });
  assert.deepEqual(applyChanges({}, ['LABEL a=1 "b c"="d e"', 'LABEL f g h']).Labels, {
    a: '1',
    'b c': 'd e',
    f: 'g h',
  });
  assert.deepEqual(applyChanges({}, ['USER 1000:1000', 'STOPSIGNAL SIGINT', 'ONBUILD RUN x']), {
    User: '1000:1000',
    StopSignal: 'SIGINT',
    OnBuild: ['RUN x'],
  });
  assert.equal(applyChanges({}, ['WORKDIR /a', 'WORKDIR b/../c']).WorkingDir, '/a/c');
});

test('several lines, comments and continuations', () => {
  assert.deepEqual(applyChanges({}, ['# comment\nUSER me\n\nENV A=1 \\\n  B=2']), { User: 'me', Env: ['A=1', 'B=2'] });
});

test('what is wrong is refused in Docker’s words', () => {
  const cases: readonly (readonly [change: string, message: string | RegExp])[] = [
    ['RUN ls', 'RUN is not a valid change command'],
    ['nonsense', 'nonsense is not a valid change command'],
    ['CMD', 'CMD requires at least one argument'],
    ['ENV A', `Syntax error - can't find = in "A". Must be of the form: name=value`],
    ['ENV =1', 'ENV names can not be blank'],
    ['LABEL =1', 'LABEL names can not be blank'],
    ['EXPOSE http', 'invalid containerPort: http'],
    ['EXPOSE 70000', 'invalid containerPort: 70000'],
    ['EXPOSE 9-8', 'invalid containerPort: 9-8'],
    ['USER a b', 'USER requires exactly one argument'],
    ['VOLUME [""]', 'VOLUME specified can not be an empty string'],
    ['ENV A="open', 'unexpected end of statement while looking for matching "'],
    ["ENV A='open", "unexpected end of statement while looking for matching '"],
    ['ENV A=${', /bad substitution$/],
  ];
  for (const [change, message] of cases) {
    assert.throws(() => applyChanges({}, [change]), { kind: 'invalidArgument', message }, change);
  }
});
