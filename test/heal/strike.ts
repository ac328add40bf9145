import type { TestHost } from '../host.ts';
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
