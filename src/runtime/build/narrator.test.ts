import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ClassicWords } from '../../api/render/build.ts';
import { parseDockerfile } from './dockerfile.ts';
import { Narrator } from './narrator.ts';
import { planBuild } from './plan.ts';

const A = 'a'.repeat(64);
const B = 'b'.repeat(64);

/** @returns what a user sees of this output, and what went wrong */
function narrate(
  dockerfile: string,
  pieces: readonly string[],
  code = 0,
  labels: Readonly<Record<string, string>> = {},
) {
  const options = {
    target: '',
    arguments: {},
    labels,
    platform: 'linux/amd64',
    skipUnused: false,
    contexts: new Map(),
  };
  const plan = planBuild(parseDockerfile(dockerfile, 'Dockerfile'), options);
  let text = '';
  const words = new ClassicWords(plan, 'f'.repeat(64), (piece) => {
    text += piece;
  });
  const narrator = new Narrator(plan, {
    bases: new Map([['base', `sha256:${'0'.repeat(64)}`]]),
    tell: (event) => words.tell(event),
    fullId: (prefix) => (prefix[0] ?? '').repeat(64),
  });
  for (const piece of pieces) narrator.feed(Buffer.from(piece));
  const failure = narrator.end(code);
  return { text, failure, result: narrator.result };
}

describe('telling of builds', () => {
  test('marks may stand behind output without a newline, and come in pieces', () => {
    const output = `STEP 1/2: FROM 0000\nSTEP 2/2: RUN printf x\nx--> ${A.slice(0, 11)}\n${A}\n`;
    const expected = [
      'Step 1/2 : FROM base',
      ` ---> ${'0'.repeat(12)}`,
      'Step 2/2 : RUN printf x',
      ` ---> Running in ${'f'.repeat(12)}`,
      `x ---> Removed intermediate container ${'f'.repeat(12)}`,
      ` ---> ${A.slice(0, 12)}`,
      '',
    ].join('\n');
    const whole = narrate('FROM base\nRUN printf x\n', [output]);
    assert.equal(whole.text, expected);
    assert.equal(whole.result, A);
    assert.deepEqual(narrate('FROM base\nRUN printf x\n', output.split('')), whole);
  });

  test('a label that no Dockerfile can hold is a step of buildah’s alone', () => {
    const output = `STEP 1/3: FROM 0\nSTEP 2/3: RUN x\nsaid\n--> ${A.slice(0, 11)}\nSTEP 3/3: LABEL "l"="a\\nb"\n--> ${B.slice(0, 11)}\n${B}\n`;
    const { text, result } = narrate('FROM base\nRUN x\n', [output], 0, { l: 'a\nb' });
    const told = `Step 2/2 : RUN x\n ---> Running in ffffffffffff\nsaid\n ---> Removed intermediate container ffffffffffff\n ---> ${A.slice(0, 12)}\n`;
    assert.equal(text, `Step 1/2 : FROM base\n ---> ${'0'.repeat(12)}\n${told}`);
    assert.equal(result, B);
  });

  test('a command that says what buildah says is a command all the same', () => {
    const said = ['STEP 1/9: FROM x', `--> ${B.slice(0, 7)}`, 'Error: no', 'more', B];
    const { text, result } = narrate('FROM base\nRUN x\nRUN y\n', [
      'STEP 1/3: FROM 0\nSTEP 2/3: RUN x\n',
      `${said.join('\n')}\n--> ${A.slice(0, 11)}\n`,
      `STEP 3/3: RUN y\n--> Using cache ${B}\n--> ${B.slice(0, 11)}\nCOMMIT\n${B}\n`,
    ]);
    assert.ok(text.includes(` ---> Running in ffffffffffff\n${said.join('\n')}\n ---> Removed`), text);
    assert.ok(text.endsWith(`Step 3/3 : RUN y\n ---> Using cache\n ---> ${B.slice(0, 12)}\n`), text);
    assert.equal(result, B);
  });

  test('stages are counted through; one begins with the image of another', () => {
    const { text } = narrate('ARG V\nFROM base AS one\nENV a=b\nFROM scratch\nFROM one\nENV c=d\n', [
      `[1/3] STEP 1/2: FROM 0 AS one\n[1/3] STEP 2/2: ENV a=b\n--> ${A.slice(0, 11)}\n`,
      '[2/3] STEP 1/1: FROM scratch\n[2/3] COMMIT\n--> cccccccccccc\n',
      `[3/3] STEP 1/2: FROM ${A}\n[3/3] STEP 2/2: ENV c=d\n[3/3] COMMIT\n--> ${B.slice(0, 11)}\n${B}\n`,
    ]);
    assert.match(text, /^Step 1\/6 : ARG V\nStep 2\/6 : FROM base AS one\n/);
    assert.ok(
      text.includes(`Step 5/6 : FROM one\n ---> ${A.slice(0, 12)}\nStep 6/6 : ENV c=d\n ---> ${B.slice(0, 12)}\n`),
      text,
    );
  });

  test('triggers of the base are told as such', () => {
    const { text } = narrate('FROM base\nENV c=d\n', [
      `STEP 1/2: FROM 0\nSTEP 2/3: RUN hi\nhi\n--> ${A.slice(0, 11)}\nSTEP 3/3: ENV c=d\n--> ${B.slice(0, 11)}\n${B}\n`,
    ]);
    assert.match(text, /# Executing 1 build trigger\n ---> Running in f{12}\nhi\n/);
    assert.match(text, /Step 2\/2 : ENV c=d\n/);
  });

  test('failures are told in Docker’s words', () => {
    const fail = (step: string, words: string) =>
      narrate(`FROM base\n${step}\n`, [`STEP 1/2: FROM 0\nSTEP 2/2: ${step}\n${words}\n`], 1);
    const command = fail(
      'RUN exit 3',
      'Error: mine\nError: building at STEP "RUN exit 3": while running runtime: exit status 3',
    );
    const message = "The command '/bin/sh -c exit 3' returned a non-zero code: 3";
    assert.deepEqual(command.failure?.failure, { message, code: 3, command: '/bin/sh -c exit 3' });
    assert.ok(command.text.endsWith(`Running in ${'f'.repeat(12)}\nError: mine\n`), command.text);
    const exec = fail('RUN ["a","b"]', 'Error: building at STEP "RUN a b": while running runtime: exit status 1');
    assert.equal(exec.failure?.message, "The command 'a b' returned a non-zero code: 1");
    for (const why of [
      'checking on sources under "/c": copier: stat: "/x": no such file or directory',
      'error reading "/c/context/x": copier: get: lstat "/x": lstat /elsewhere: no such file or directory',
      'reading "/c/context/x": error encoding request for copier subprocess: write |1: broken pipe',
    ]) {
      assert.equal(
        fail('COPY x /y', `Error: building at STEP "COPY x /y": ${why}`).failure?.message,
        'COPY failed: file not found in build context or excluded by .dockerignore: stat x: file does not exist',
      );
    }
    assert.equal(fail('ENV a=b', 'Error: something else').failure?.message, 'something else');
    assert.equal(fail('ENV a=b', 'killed').failure?.message, 'buildah ended without a word');
  });
});
