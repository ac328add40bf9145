import { setTimeout as sleep } from 'node:timers/promises';
import type { TestDaemon } from '../daemon.ts';
import { ask } from '../random-clients.ts';

/** Milliseconds each `/_ping` took, rising, until told to end or the daemon is gone. */
export async function pinging(daemon: TestDaemon, signal: AbortSignal): Promise<number[]> {
  const delays: number[] = [];
  while (!signal.aborted) {
    const start = performance.now();
    const answer = await ask(daemon, 'GET', '/_ping').catch(() => undefined);
    if (answer === undefined) break; // the test has failed, and says why
    delays.push(performance.now() - start);
    await sleep(20);
  }
  return delays.sort((a, b) => a - b);
}

/** @param part 0.99: the 99th percentile */
export function at(sorted: readonly number[], part: number): string {
  return (sorted[Math.floor(sorted.length * part)] ?? Number.NaN).toFixed(1);
}

/** MiB of the daemon that are in memory. */
export async function resident(daemon: TestDaemon): Promise<number> {
  const status = await daemon.host.out(['cat', `/proc/${await daemon.pid()}/status`]);
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024);
}

/** Milliseconds of processor, of all threads, that the daemon has used so far: they hold on a busy machine, too. */
export async function processorTime(daemon: TestDaemon): Promise<number> {
  const fields = (await daemon.host.out(['cat', `/proc/${await daemon.pid()}/stat`])).split(') ')[1]?.split(' ') ?? [];
  return 10 * (Number(fields[11]) + Number(fields[12]));
}
