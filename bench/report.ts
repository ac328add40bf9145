import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { type Paired, row } from './measure.ts';

/** What a run of the benchmark leaves behind, for docs/performance.md and whoever compares. */
export interface Report {
  readonly date: string;
  /** Of the checkout */
  readonly commit: string;
  readonly machine: string;
  readonly kernel: string;
  /** "Docker 28.5.2"; undefined: Fairway alone */
  readonly beside?: string;
  readonly rounds: number;
  readonly figures: readonly Paired[];
}

const figures: Paired[] = [];

/** Prints a figure and keeps it for the report. */
export function report(figure: Paired): void {
  figures.push(figure);
  console.log(row(figure));
}

export function machine(): Pick<Report, 'machine' | 'kernel'> {
  const processors = cpus();
  return {
    machine: `${processors.length} × ${processors[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
  };
}

/** Writes everything reported so far as JSON. @param beside the peer's version */
export function writeReport(path: string, beside: string | undefined, rounds: number): void {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const date = new Date().toISOString().slice(0, 10);
  const whole: Report = { date, commit, ...machine(), ...(beside === undefined ? {} : { beside }), rounds, figures };
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(whole, undefined, 2)}\n`);
}
