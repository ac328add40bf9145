/** After the tests: each test that docs/docker-compatibility.md names must be among those that ran and passed. */
import { readFileSync } from 'node:fs';
import { type Evidence, missing, readRows } from '../test/compatibility.ts';

const [report = '.cache/ran.jsonl'] = process.argv.slice(2);
const rows = readRows(readFileSync('docs/docker-compatibility.md', 'utf8'));
const ran = readFileSync(report, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Evidence);
// What needs another kernel runs in a guest (npm run test:vm), which says itself what passed there.
const here = rows.map((row) => ({ ...row, evidence: row.evidence.filter(({ file }) => !file.startsWith('test/vm/')) }));
const absent = missing(here, ran);
for (const { file, title } of absent)
  console.error(`docs/docker-compatibility.md names a test that did not pass: ${file} ${title}`);
const counts = Map.groupBy(rows, ({ state }) => state);
console.log(`Docker's networking: ${[...counts].map(([state, { length }]) => `${length} ${state}`).join(', ')}`);
process.exitCode = absent.length === 0 ? 0 : 1;
