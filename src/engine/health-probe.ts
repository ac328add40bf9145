import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Container } from '../model/container.ts';
import { formatDuration } from '../model/duration.ts';
import { errorMessage } from '../model/errors.ts';
import type { HealthProbe } from '../model/health.ts';
import type { ExecProcess } from '../runtime/process/process.ts';
import { type Core, containerEvent } from './core.ts';
import { timestamp } from './ids.ts';
import type { Run } from './live.ts';

const SIGKILL = 9;
/** Bytes of a probe's output that are kept; Docker's */
const MAX_OUTPUT = 4096;

export interface ProbeRequest {
  readonly container: Container;
  readonly run: Run;
  readonly command: readonly string[];
  /** Nanoseconds */
  readonly timeout: number;
}

/** Runs a health check once. @param signal ends the probe and the waiting. Never rejects */
export async function runProbe(core: Core, request: ProbeRequest, signal: AbortSignal): Promise<HealthProbe> {
  const { container, run, command } = request;
  const start = timestamp();
  const id = randomBytes(32).toString('hex');
  const output = new ProbeOutput();
  const { execs } = core.live.of(container);
  const tell = (action: string, attributes: Readonly<Record<string, string>> = {}) =>
    containerEvent(core, core.state.containers.get(container.id) ?? container, action, { execID: id, ...attributes });
  const [program = '', ...args] = command;
  const text = `${program} ${args.join(' ')}`;
  execs.add(id);
  tell(`exec_create: ${text}`);
  try {
    const choice = { id, args: command, env: [], cwd: '', user: '', tty: false, stdin: false, privileged: false };
    const process = await run.process.exec(choice);
    process.io.subscribe((_stream, chunk) => output.add(chunk));
    tell(`exec_start: ${text}`);
    await process.start();
    void process.exited.then(({ code }) => tell('exec_die', { exitCode: String(code) }));
    const exitCode = await endOf(process, request.timeout, signal);
    const said = exitCode === undefined ? exceeded(request.timeout, output.text()) : output.text();
    return { start, end: timestamp(), exitCode: exitCode ?? -1, output: said };
  } catch (error) {
    return { start, end: timestamp(), exitCode: -1, output: errorMessage(error) };
  } finally {
    execs.delete(id);
  }
}

/** Its exit code, with its output read; undefined when it took too long, and then it is dead. */
async function endOf(process: ExecProcess, timeout: number, signal: AbortSignal): Promise<number | undefined> {
  const over = new AbortController();
  const either = AbortSignal.any([over.signal, signal]);
  const late = sleep(Math.min(timeout / 1e6, 0x7fffffff), undefined, { ref: false, signal: either }).catch(
    () => undefined,
  );
  const exit = await Promise.race([process.exited, late]);
  over.abort();
  if (exit === undefined) {
    await process.kill(SIGKILL).catch(() => undefined);
    await process.exited;
    return undefined;
  }
  await process.io.settled();
  return exit.code;
}

/** Docker's words. */
function exceeded(timeout: number, output: string): string {
  return `Health check exceeded timeout (${formatDuration(timeout)})${output === '' ? '' : `: ${output}`}`;
}

/** The beginning of what a probe says. */
class ProbeOutput {
  readonly #chunks: Buffer[] = [];
  #room = MAX_OUTPUT;
  #cut = false;

  add(chunk: Buffer): void {
    if (chunk.length > this.#room) this.#cut = true;
    if (this.#room > 0) this.#chunks.push(Buffer.from(chunk.subarray(0, this.#room)));
    this.#room = Math.max(0, this.#room - chunk.length);
  }

  text(): string {
    return `${Buffer.concat(this.#chunks).toString('utf8')}${this.#cut ? '...' : ''}`;
  }
}
