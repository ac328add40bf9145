import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { EngineError, hasCode } from '../model/errors.ts';
import type { Logger } from '../model/logger.ts';

/** An abstract name (unix(7)): there is one of it in a network namespace, and it goes with the process that has it. */
const NAME = 'fairwayd';

/**
 * Says that the networks of this namespace are looked after: what another daemon made would be taken for strays, and removed.
 * Anybody can take the name, so that only a process of root's counts.
 * @throws EngineError conflict when a daemon is there
 */
export async function claimNamespace(logger: Logger): Promise<AsyncDisposable> {
  const server = createServer((socket) => socket.destroy());
  try {
    server.listen(`\0${NAME}`);
    await once(server, 'listening');
  } catch (error) {
    if (!hasCode(error, 'EADDRINUSE')) throw error;
    const holder = holderOf(NAME);
    if (holder === undefined || holder.uid !== 0) {
      logger.warn('somebody who is no daemon has the name of one', { name: `@${NAME}`, ...holder });
      return server;
    }
    const message = `another fairwayd (PID ${holder.pid}) looks after the networks of this machine: it would take ours for strays, and we its`;
    throw new EngineError('conflict', message);
  }
  server.unref();
  return server;
}

/** Who holds an abstract socket, as far as it is seen from here: proc(5). */
function holderOf(name: string): { readonly pid: number; readonly uid: number | undefined } | undefined {
  const line = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .find((row) => row.endsWith(` @${name}`));
  const inode = line?.split(/\s+/)[6];
  const pid = readdirSync('/proc').find(
    (entry) => /^\d+$/.test(entry) && holds(`/proc/${entry}/fd`, `socket:[${inode}]`),
  );
  return pid === undefined
    ? undefined
    : { pid: Number(pid), uid: statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid };
}

function holds(folder: string, target: string): boolean {
  try {
    return readdirSync(folder).some((fd) => readlinkSync(`${folder}/${fd}`) === target);
  } catch {
    // It has ended meanwhile, or closed one of them.
    return false;
  }
}
