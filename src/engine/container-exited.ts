import type { Container } from '../model/container.ts';
import type { ProcessExit } from '../runtime/process/process.ts';

/** The same container, ended. Why an earlier start failed is kept: Docker clears it with the next start. */
export function exitedContainer(ended: Container, { code, at }: ProcessExit): Container {
  const state = { ...ended.state, status: 'exited', pid: 0, exitCode: code, finishedAt: at } as const;
  const { stopping, ...container } = ended;
  // Of a restart, the start is still to come.
  return { ...container, ...(stopping?.thenStart && { stopping }), state };
}
