import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseDockerfile } from './dockerfile.ts';
import { neededImages, planBuild } from './plan.ts';
import { renderPlan } from './render.ts';

const parse = (text: string) => parseDockerfile(text, 'Dockerfile');
const PLAIN = { bases: () => undefined, folder: () => 'folder', program: () => '/program' };
const OPTIONS = {
  target: '',
  arguments: {},
  labels: {},
  skipUnused: false,
  platform: 'linux/amd64',
  contexts: new Map(),
};

describe('Dockerfiles', () => {
  test('lines are continued, comments and empty lines left out, in the middle too', () => {
    const { stages } = parse(
      '\uFEFF# syntax=docker/dockerfile:1\n# c\nfrom a\r\n\nrun one \\\n  # c\n\n  two\\\n three\nCMD x',
    );
    assert.deepEqual(
      stages[0]?.map(({ name, args, line }) => [name, args, line]),
      [
        ['FROM', 'a', 3],
        ['RUN', 'one   two three', 5],
        ['CMD', 'x', 10],
      ],
    );
  });

  test('another mark may continue lines', () => {
    const { stages, escape: mark } = parse('# escape=`\nFROM a\nRUN dir C:\\`\n x\n');
    assert.equal(mark, '`');
    assert.equal(stages[0]?.[1]?.args, 'dir C:\\ x');
  });

  test('what is wrong is told with its line', () => {
    const wrong = (text: string) => {
      try {
        parse(text);
      } catch (error) {
        return error instanceof Error ? error.message : '';
      }
      return 'nothing';
    };
    const on = (line: number, message: string) => `dockerfile parse error on line ${line}: ${message}`;
    assert.equal(wrong('FROM a\n\nRUN a \\\n b\nRUNN x'), on(5, 'unknown instruction: RUNN'));
    assert.equal(wrong('FROM a AS'), on(1, 'FROM requires either one or three arguments'));
    assert.match(wrong('FROM a AS 1x'), /invalid name for build stage: "1x"/);
    assert.equal(wrong('FROM a\nRUN'), on(2, 'RUN requires arguments'));
    assert.equal(wrong(''), 'the Dockerfile (Dockerfile) cannot be empty');
    for (const text of ['# nothing\n', ' \n\t\n']) assert.equal(wrong(text), 'file with no instructions');
    assert.equal(wrong('ARG A\n'), 'no build stage in current context');
    assert.equal(wrong('FROM a\nCOPY <<EOF /x\nE\n'), on(2, 'unterminated heredoc'));
    assert.equal(
      wrong('FROM a\nCOPY b <<EOF /x\nEOF\n'),
      on(2, 'COPY of here-documents and files is not supported by Fairway yet'),
    );
    assert.equal(wrong('FROM a\nRUN echo $((1<<3))\n'), 'nothing');
    assert.equal(wrong('FROM a\nCOPY --constructor=x a /b\n'), on(2, 'unknown flag: --constructor'));
    const refused = (flags: string) => on(2, `${flags} is not supported by Fairway yet`);
    assert.equal(wrong('FROM a\nRUN --network=none x\n'), refused('RUN --network=none'));
    assert.equal(wrong('FROM a\nCOPY --from=b --parents c /d\n'), refused('COPY --parents'));
    assert.equal(wrong('FROM a\nRUN --mount=id=x,type=secret,env=X x\n'), refused('RUN --mount=type=secret with env='));
  });

  test('flags that change nothing are left out', () => {
    const text =
      'FROM a\nCOPY --link --from=b --chown=1 c /d\nADD --link=true e /f\nRUN --network=default --mount=type=cache,target=/x y --link\n';
    const args = parse(text).stages[0]?.map((step) => step.args);
    assert.deepEqual(args, ['a', '--from=b --chown=1 c /d', 'e /f', '--mount=type=cache,target=/x y --link']);
  });
});

describe('build plans', () => {
  test('images are named by id, stages stay, the last stage gets the labels', () => {
    const text =
      'ARG V=1\nARG OTHER=b\nFROM a:$V AS One\nFROM $OTHER\nCOPY --chown=1 --from=one /x /x\nCOPY --from=c:2 --from=x /y /y\nRUN --mount=type=bind,from=d,target=/d true --from=e\n';
    const plan = planBuild(parse(text), { ...OPTIONS, labels: { k: "it's" } });
    assert.equal(plan.total, 8);
    assert.deepEqual(neededImages(plan), ['a:1', 'b', 'c:2', 'x', 'd']);
    const ids = new Map(neededImages(plan).map((name, index) => [name, String(index).repeat(4)]));
    assert.equal(
      renderPlan(plan, { ...PLAIN, ids }),
      [
        'ARG V=1',
        'ARG OTHER=b',
        'FROM 0000 AS one',
        'FROM 1111',
        'COPY --chown=1 --from=one /x /x',
        'COPY --from=2222 --from=3333 /y /y',
        'RUN --mount=type=bind,from=4444,target=/d true --from=e',
        `LABEL 'k'='it'"'"'s'`,
        '',
      ].join('\n'),
    );
  });

  test('a target ends the build, by name or by number; arguments given win', () => {
    const dockerfile = parse('ARG V=1\nFROM a:$V AS one\nRUN x\nFROM one AS two\nFROM nosuch\n');
    const plan = (target: string) => planBuild(dockerfile, { ...OPTIONS, target, arguments: { V: '2' } });
    assert.deepEqual(neededImages(plan('TWO')), ['a:2']);
    assert.equal(plan('0').total, 3);
    assert.throws(() => plan('three'), /target stage "three" could not be found/);
  });

  test('another platform is refused, this one’s is fine', () => {
    const plan = (platform: string) => planBuild(parse(`FROM --platform=${platform} a\n`), OPTIONS);
    assert.deepEqual(neededImages(plan('$BUILDPLATFORM')), ['a']);
    assert.throws(() => plan('linux/s390x'), /--platform=linux\/s390x is not supported/);
  });

  test('here-documents become commands and files', () => {
    const text = `FROM a AS one
ENV A=1 B="b b"
SHELL ["/bin/bash", "-c"]
FROM one
ARG G=g
ENV C=$A-$G
COPY --chown=1 <<x.txt <<-'y' /to/
$A \${B} "$C" \\$A \${nosuch:-none} \${A:+set}
x.txt
\t$A
\ty
RUN <<EOF
echo "one"
  two \\
EOF
RUN cat <<E > /e; cat <<-F 3<<'G'
# $A
E
F
\tx
G
RUN <<S
#!/usr/bin/env python3
S
CMD x
`;
    const dockerfile = parse(text);
    assert.deepEqual(
      dockerfile.stages[1]?.map(({ line, lastLine }) => `${line}-${lastLine}`),
      ['4-4', '5-5', '6-6', '7-11', '12-15', '16-21', '22-24', '25-25'],
    );
    const kept: unknown[] = [];
    const plan = planBuild(dockerfile, { ...OPTIONS, arguments: { G: 'given' } });
    const rendered = renderPlan(plan, {
      ...PLAIN,
      ids: new Map([['a', '1']]),
      folder: (files) => `kept-${kept.push(files)}`,
    }).split('\n');
    assert.deepEqual(kept, [{ 'x.txt': '1 b b "1-given" $A none set\n', y: '$A\n' }]);
    assert.deepEqual(rendered.slice(6), [
      'COPY --chown=1 --from=kept-1 x.txt y /to/',
      String.raw`RUN ["/bin/bash","-c","echo \"one\"\n  two \\\n"]`,
      String.raw`RUN ["/bin/bash","-c","cat <<E > /e; cat <<-F 3<<'G'\n# $A\nE\nF\n\tx\nG"]`,
      'RUN ["/program"]',
      'CMD x',
      '',
    ]);
  });

  test('words that look like here-documents are none', () => {
    const [stage] = parse('FROM a\nRUN echo $((1<<3)) "x <<EOF y" <<<text <<../x <</etc\nCMD x\n').stages;
    assert.deepEqual(
      stage?.map(({ heredocs }) => heredocs.length),
      [0, 0, 0],
    );
  });
});
