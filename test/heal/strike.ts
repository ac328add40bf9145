import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, type TestHost } from '../host.ts';
import type { Blow, Victim } from './blows.ts';

/** What the striker is told. */
export interface Targets {
  readonly sandboxes: readonly string[];
  readonly bridges: readonly string[];
  readonly blows: readonly Blow[];
  /** Milliseconds it waits for a repair */
  readonly patience: number;
}

/** What became of a blow. */
export interface Struck {
  readonly name: string;
  /** From the end of the command that struck until all was seen to be as before */
  readonly milliseconds?: number;
  /** What was not as before when patience ended */
  readonly differs?: readonly string[];
}

/** Strikes one blow after the other, and waits each time until host, sandboxes and firewall are exactly as they were. */
export async function strike(
  host: TestHost,
  victims: readonly Victim[],
  blows: readonly Blow[],
  patience = 60_000,
): Promise<Struck[]> {
  const targets: Targets = {
    sandboxes: victims.map(({ sandbox }) => sandbox),
    bridges: [...new Set(victims.map(({ bridge }) => bridge))],
    blows,
    patience,
  };
  const script = new URL('striker.ts', import.meta.url).pathname;
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', script];
  const text = await host.out(command, { input: JSON.stringify(targets), timeout: 60_000 + blows.length * patience });
  return text.split('\n').map((line) => JSON.parse(line) as Struck);
}

/** Milliseconds: longer than what is whole is watched for somebody who fights back (src/reconcile/backoff.ts). */
const TRUCE = 11_000;
/** So often the same thing is mended at once, without a truce. */
const FREELY = 5;

/**
 * The same, so that no repair has to wait for a truce: measures how long repairs take, by the names of the blows.
 * @param blows of one round; several of them may be at the same thing
 */
export async function measureRepairs(
  host: TestHost,
  victims: readonly Victim[],
  blows: readonly Blow[],
  rounds: number,
): Promise<Map<string, number[]>> {
  const times = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    for (let at = 0; at < blows.length; at += FREELY) {
      for (const { name, milliseconds, differs } of await strike(host, victims, blows.slice(at, at + FREELY))) {
        if (milliseconds === undefined) throw new Error(`not mended after ${name}: ${differs?.join('; ')}`);
        times.set(name, [...(times.get(name) ?? []), milliseconds]);
      }
      await sleep(TRUCE);
    }
  }
  return times;
}

/** Milliseconds after the command in which connections are tried on */
const AFTERWARDS = 2000;

/** How long no connection from the LAN to a published port could be made when a command is run meanwhile, in milliseconds. */
export async function outage(host: TestHost, port: number, command: string): Promise<number> {
  const script = new URL('../../bench/outage.ts', import.meta.url).pathname;
  const probe = host.spawnLan([process.execPath, script, 'port', `192.0.2.2:${port}`]);
  let said = '';
  probe.stdout?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const ended = once(probe, 'close');
  await eventually('the port answers', () => said.startsWith('begun'));
  await host.shell(command);
  await sleep(AFTERWARDS);
  probe.stdin?.end();
  await ended;
  return Number(said.split('\n')[1]);
}
