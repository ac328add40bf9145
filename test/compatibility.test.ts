import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { missing, readRows, STATES } from './compatibility.ts';

const ROOT = join(import.meta.dirname, '..');

/** Lines of each section of the list: as many rows there must be. */
const LINES = {
  '1.1': 29,
  '1.2': 7,
  '1.3': 12,
  '1.4': 12,
  '1.5': 14,
  '1.6': 20,
  '1.7': 6,
  '1.8': 9,
  '1.9': 14,
  '1.10': 16,
  '1.11': 4,
  '1.12': 1,
  '1.13': 12,
  '1.14': 4,
  '1.17': 3,
};

/** What users of Docker complain of, as far as one host solves it. */
const PAINS = [1, 2, 3, 4, 5, 6, 11, 14, 15, 16, 17, 18, 20, 21, 22, 23, 24, 25, 27, 28, 29, 31, 32, 33, 34];

const rows = readRows(readFileSync(join(ROOT, 'docs/docker-compatibility.md'), 'utf8'));

test('Docker’s networking: no line is left out', () => {
  const wanted = Object.entries(LINES).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, i) => `${section}.${i + 1}`),
  );
  assert.deepEqual(
    rows.map(({ line }) => line),
    [...wanted, ...PAINS.map((number) => `P${number}`)],
  );
});

test('Docker’s networking: each row says what is there, why it differs, and which test shows it', () => {
  for (const { line, state, remark, evidence } of rows) {
    assert.ok(
      STATES.some((known) => known === state),
      `${line}: "${state}" is none of ${STATES.join(', ')}`,
    );
    if (state !== 'supported' && state !== 'open') assert.notEqual(remark, '', `${line} is ${state}: why?`);
    if (state !== 'open') assert.ok(evidence.length > 0, `${line} is ${state}, and no test shows it`);
    for (const { file } of evidence)
      assert.ok(existsSync(join(ROOT, file)), `${line} names ${file}, which is not there`);
  }
});

test('Docker’s networking: a row that names a test which did not run is found', () => {
  const [row] = readRows('| 1.1.1 | a \\| b | different: since | `test/a.test.ts` one<br>`test/b.test.ts` two: 2 |');
  assert.deepEqual(row, {
    line: '1.1.1',
    state: 'different',
    remark: 'since',
    evidence: [
      { file: 'test/a.test.ts', title: 'one' },
      { file: 'test/b.test.ts', title: 'two: 2' },
    ],
  });
  const ran = [{ file: 'test/a.test.ts', title: 'one' }];
  assert.deepEqual(missing(row === undefined ? [] : [row], ran), [{ file: 'test/b.test.ts', title: 'two: 2' }]);
});
