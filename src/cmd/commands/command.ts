import type { Command } from 'commander';
import type { ApiClient } from '../../api/client.ts';

/** Adds commands to `fairway`. @param daemon connects to the daemon the options name */
export type Commands = (program: Command, daemon: () => ApiClient) => void;

/** The option of commands that print something for people. */
export const JSON_OPTION = ['--json', 'print JSON for programs'] as const;

/** For people, or as JSON for programs. */
export function print<T>(value: T, render: (value: T) => string, asJson: boolean | undefined): void {
  process.stdout.write(asJson === true ? `${JSON.stringify(value, undefined, 2)}\n` : render(value));
}
