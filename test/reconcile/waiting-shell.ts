import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A shell that runs one command after the other while this process waits. To fork this process, which is large, for each of them
 * takes longer than what most of them do.
 */
export class WaitingShell implements Disposable {
  readonly #directory = mkdtempSync(join(tmpdir(), 'fairway-waiting-'));
  readonly #orders: number;
  readonly #answers: number;
  readonly #answer = Buffer.alloc(16);
  readonly #shell;

  constructor() {
    const pipes = [this.#file('orders'), this.#file('answers')] as const;
    execFileSync('mkfifo', pipes);
    // Open for both directions, nobody waits for the other one.
    this.#orders = openSync(pipes[0], 'r+');
    this.#answers = openSync(pipes[1], 'r+');
    this.#shell = spawn('setpriv', ['--pdeathsig', 'KILL', 'sh'], { stdio: [this.#orders, this.#answers, 'inherit'] });
    this.#shell.unref();
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }

  /** @returns stdout, trimmed; throws when the command fails. @param command its words */
  run(...command: readonly string[]): string {
    const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    writeSync(this.#orders, `${words} </dev/null >${this.#file('out')} 2>${this.#file('err')}; echo $?\n`);
    const code = Number(this.#answer.toString('latin1', 0, readSync(this.#answers, this.#answer)));
    if (code === 0) return readFileSync(this.#file('out'), 'utf8').trim();
    throw new Error(`"${command.join(' ')}" ended with ${code}: ${readFileSync(this.#file('err'), 'utf8')}`);
  }

  [Symbol.dispose](): void {
    this.#shell.kill('SIGKILL');
    closeSync(this.#orders);
    closeSync(this.#answers);
    rmSync(this.#directory, { recursive: true });
  }
}
