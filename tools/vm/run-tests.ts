/**
 * In the guest: runs test files, two at a time, each in a process of its own as node --test does, and tells at once what fails.
 * Arguments: where the lines of tools/ran.ts go, and the files' patterns.
 *
 * Under emulation V8 now and then ends a process by a check of its own book of code pages (docs/platforms.md), by an instruction
 * that traps, or by a fault. A file whose process ended so, or in which a daemon did (test/daemon.ts hands its words on), is run again, once, and
 * that is told; nothing else is ever repeated.
 */
import { appendFileSync, globSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { run } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import { inspect } from 'node:util';
import ran from '../ran.ts';

/** What V8 says (src/common/code-memory-access.cc) */
const V8_ENDED = 'Check failed: it->second.Size() > offset';
/** How its process ends; not always are its words heard. A fault of memory was seen once, under emulation, and nobody knows whose it was */
const TRAPS = ['SIGILL', 'SIGTRAP', 'SIGSEGV'];
/** Milliseconds for a file: it is for what hangs, and the slowest takes a quarter of it */
const LONGEST = 40 * 60_000;

interface Outcome {
  /** Files in which something failed */
  readonly failed: Set<string>;
  /** Files of which V8 has ended a process */
  readonly ended: Set<string>;
}

const [report = '/dev/null', ...patterns] = process.argv.slice(2);
/** In the order of the patterns: what takes longest is begun first. */
const files = [...new Set(patterns.flatMap((pattern) => globSync(pattern)).map((file) => resolve(file)))];
if (files.length === 0) throw new Error(`there are no files ${patterns.join(' ')}`);
const { failed, ended } = await runFiles(files);
const again = [...failed].filter((file) => ended.has(file));
for (const file of again) {
  console.log(
    `again  ${shown(file)}: a process of it had ended by a check of V8’s or a fault, as happens under emulation`,
  );
  failed.delete(file);
}
if (again.length > 0) for (const file of (await runFiles(again)).failed) failed.add(file);
console.log(failed.size === 0 ? `all ${files.length} files passed` : `FAILED: ${[...failed].map(shown).join(', ')}`);
process.exitCode = failed.size === 0 ? 0 : 1;

async function runFiles(paths: string[]): Promise<Outcome> {
  const outcome: Outcome = { failed: new Set(), ended: new Set() };
  const events: TestEvent[] = [];
  for await (const event of run({ files: paths, concurrency: 2, timeout: LONGEST })) {
    events.push(event);
    tell(event);
    note(event, outcome);
  }
  for await (const line of ran(events)) appendFileSync(report, line);
  return outcome;
}

function note({ type, data }: TestEvent, { failed, ended }: Outcome): void {
  if (type === 'test:fail' && data.todo === undefined) {
    const { file = 'of no file' } = data;
    failed.add(file);
    if (isProcess(data) && TRAPS.includes(String(Object(data.details.error).signal))) ended.add(file);
  }
  if (type === 'test:stderr' && data.message.includes(V8_ENDED)) ended.add(data.file);
}

/** A line for each test and each file, and what a failure is. */
function tell({ type, data }: TestEvent): void {
  if (type === 'test:stderr' || type === 'test:stdout') process.stdout.write(data.message);
  else if (type === 'test:pass') console.log(`  ✔ ${data.name} (${seconds(data.details.duration_ms)})`);
  else if (type === 'test:fail') {
    const { error, duration_ms: took } = data.details;
    console.log(
      `  ✖ ${data.name} (${seconds(took)})\n${inspect(isProcess(data) ? { ...error } : (error.cause ?? error))}`,
    );
  } else if (type === 'test:summary' && data.file !== undefined) {
    const { counts, success, duration_ms: took, file } = data;
    console.log(
      `${success ? 'ok    ' : 'FAILED'} ${shown(file)}: ${counts.passed} of ${counts.tests} tests, ${seconds(took)}`,
    );
  }
}

/** A file's process ended with an exit code or by a signal, rather than one of its tests. */
function isProcess({ name, file }: { readonly name: string; readonly file?: string | undefined }): boolean {
  return name === file;
}

function shown(file: string): string {
  return relative(process.cwd(), file);
}

function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 1000)} s`;
}
