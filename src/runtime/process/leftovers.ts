import { closeSync, constants, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { namesIn } from '../names-in.ts';

/** FIFOs of an exec that was under way when the last daemon ended. */
export interface LeftoverExec {
  readonly containerId: string;
  readonly execId: string;
  readonly directory: string;
  readonly tty: boolean;
  readonly stdin: boolean;
}

/** @param root holds a folder for each container's streams, and in it one for each exec's */
export function findExecs(root: string): LeftoverExec[] {
  return namesIn(root).flatMap((containerId) =>
    namesIn(join(root, containerId)).flatMap((name) => {
      const execId = /^exec-([0-9a-f]+)$/.exec(name)?.[1];
      if (execId === undefined) return [];
      const directory = join(root, containerId, name);
      const has = (stream: string) => existsSync(join(directory, stream));
      return [{ containerId, execId, directory, tty: !has('stderr'), stdin: has('stdin') }];
    }),
  );
}

/**
 * Opens every container's output for reading. A shim that was making a process when the daemon was killed waits in open(2)
 * for a reader, and answers nothing about its container until there is one (fifo(7)).
 */
export function holdReaders(root: string): Disposable {
  const held = namesIn(root).flatMap((containerId) =>
    ['stdout', 'stderr'].flatMap((stream) => openReader(join(root, containerId, stream))),
  );
  return {
    [Symbol.dispose]: () => {
      for (const descriptor of held) closeSync(descriptor);
    },
  };
}

function openReader(path: string): number[] {
  return existsSync(path) ? [openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)] : [];
}
