import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { Crash } from './lap.ts';
import { LIFE } from './life.ts';

/** The crashes that went well, in a file if one is named: an interrupted campaign goes on from there, and so does one after a mend. */
export class Passed {
  readonly #file: string | undefined;
  readonly #lines: Set<string>;

  constructor(file?: string) {
    this.#file = file;
    this.#lines = new Set(file !== undefined && existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []);
  }

  has(crash: Crash): boolean {
    return this.#lines.has(line(crash));
  }

  add(crashes: readonly Crash[]): void {
    for (const crash of crashes) this.#lines.add(line(crash));
    if (this.#file !== undefined) appendFileSync(this.#file, crashes.map((crash) => `${line(crash)}\n`).join(''));
  }
}

function line({ operation, point }: Crash): string {
  return `${LIFE[operation]?.name}: ${point}`;
}
