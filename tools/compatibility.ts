/**
 * After the tests: each test that docs/docker-compatibility.md names must be among those that ran and passed. Arguments: their
 * report, and the folder the tests are in, unless it is all but test/vm/, which run in a guest (`npm run test:vm`).
 */
import { readFileSync } from 'node:fs';
import { type Evidence, missing, readRows } from '../test/compatibility.ts';

const [report = '.cache/ran.jsonl', folder] = process.argv.slice(2);
const rows = readRows(readFileSync('docs/docker-compatibility.md', 'utf8'));
const ran = readFileSync(report, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Evidence);
const isHere = ({ file }: Evidence) => (folder === undefined ? !file.startsWith('test/vm/') : file.startsWith(folder));
const here = rows.map((row) => ({ ...row, evidence: row.evidence.filter(isHere) }));
const absent = missing(here, ran);
for (const { file, title } of absent)
  console.error(`docs/docker-compatibility.md names a test that did not pass: ${file} ${title}`);
const counts = Map.groupBy(rows, ({ state }) => state);
console.log(`Docker's networking: ${[...counts].map(([state, { length }]) => `${length} ${state}`).join(', ')}`);
process.exitCode = absent.length === 0 ? 0 : 1;
