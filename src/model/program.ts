/** A program of the host, run to its end. */
export interface ProgramResult {
  /** The exit code; null when it could not be started or was killed */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Synchronous, for the rare case that another program alone can do it. Implemented in runtime. */
export type RunProgram = (program: string, args: readonly string[], input?: string) => ProgramResult;
