import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How many times slower than an ordinary machine this one is: an emulated one. Every wait of the tests is longer by it. */
export const SLOWNESS = Number(process.env['FAIRWAY_TEST_SLOWNESS'] ?? '1');

/** What a finished command left behind. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ExecOptions {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds after which the command is killed, on an ordinary machine; 120,000 unless told */
  readonly timeout?: number;
}

/**
 * Shells that wait inside of a machine for commands, one at a time each: a command costs a fork of a small shell there. To fork
 * this process, which is large, and to enter the machine's namespaces took as long as what most commands do.
 */
export class Shells implements Disposable {
  readonly #enter: readonly string[];
  readonly #directory = mkdtempSync(join(tmpdir(), 'fairway-shells-'));
  readonly #idle: Shell[] = [];
  #commands = 0;

  /** @param enter the command that enters the machine, before what is to run there */
  constructor(enter: readonly string[]) {
    this.#enter = enter;
  }

  /** Runs a program, never a shell's own command, to its end. A code of 255: it was killed, or there is no machine any more. */
  async run(command: readonly string[], options: ExecOptions): Promise<Finished> {
    const files = join(this.#directory, String(++this.#commands));
    if (options.input !== undefined) writeFileSync(`${files}.in`, options.input);
    const input = options.input === undefined ? '/dev/null' : `${files}.in`;
    const environment = Object.entries(options.env ?? {}).map(([name, value]) => `export ${name}=${quoted(value)}; `);
    const script = `(${environment.join('')}exec ${command.map(quoted).join(' ')}) <${input} >${files}.out 2>${files}.err`;
    const code = await this.#runScript(script, (options.timeout ?? 120_000) * SLOWNESS, () =>
      existsSync(`${files}.out`),
    );
    return { code: code ?? 255, stdout: taken(`${files}.out`), stderr: taken(`${files}.err`) };
  }

  /** A shell may have been killed while it waited, by who kills all there is on the machine: then another one does it. */
  async #runScript(script: string, milliseconds: number, begun: () => boolean): Promise<number | undefined> {
    for (;;) {
      const waiting = this.#idle.pop();
      const shell = waiting ?? new Shell(this.#enter);
      const code = await shell.run(script, milliseconds);
      if (code !== undefined) this.#idle.push(shell);
      if (code !== undefined || waiting === undefined || begun()) return code;
    }
  }

  /** To be called when the machine has ended, and its shells with it. */
  [Symbol.dispose](): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** One of them. It reads what it is to do from its standard input, and says each exit code in a line. */
class Shell {
  readonly #process: ChildProcess;
  #said = '';
  #answered: ((code: number | undefined) => void) | undefined;

  constructor(enter: readonly string[]) {
    const [program = '', ...rest] = enter;
    this.#process = spawn(program, [...rest, 'sh'], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process.stdin?.on('error', () => undefined);
    this.#process.stdout?.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString();
      if (this.#said.endsWith('\n')) this.#answer(Number(this.#said));
    });
    this.#process.once('close', () => this.#answer(undefined));
  }

  #answer(code: number | undefined): void {
    this.#said = '';
    this.#answered?.(code);
    this.#answered = undefined;
  }

  /** @returns the exit code; undefined: the shell has ended, too */
  run(script: string, milliseconds: number): Promise<number | undefined> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return Promise.resolve(undefined);
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const timer = setTimeout(() => killTree(this.#process.pid), milliseconds);
    this.#answered = (code) => {
      clearTimeout(timer);
      resolve(code);
    };
    this.#process.stdin?.write(`${script}; echo $?\n`);
    return promise;
  }
}

/** A process and all it has started, as far as they are still its own. */
function killTree(pid: number | undefined): void {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    process.kill(Number(pid), 'SIGKILL');
    for (const child of children.split(' ')) if (child !== '') killTree(Number(child));
  } catch {
    // It has ended meanwhile.
  }
}

/** @returns what is in a file; it is removed. '' where there is none */
function taken(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  } finally {
    rmSync(path, { force: true });
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
