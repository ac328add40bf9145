import { UnixDatagrams } from '../kernel/unix-datagrams.ts';

/** The first socket that is handed over, sd_listen_fds(3). */
const FIRST = 3;

/** What the service manager said to this process in its environment. */
export interface ServiceManager {
  /** Descriptors of the sockets it opened for us */
  readonly sockets: readonly number[];
  /** Ends the stopping as well: nothing is told afterwards */
  notify(state: string): void;
}

type Environment = Record<string, string | undefined>;

/**
 * Reads what systemd says to a service, and takes it out of the environment: it is not meant for our children.
 * @param own this process
 */
export function serviceManager(environment: Environment, own: number): ServiceManager {
  const { LISTEN_PID, LISTEN_FDS, NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = environment;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', 'NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) {
    delete environment[name];
  }
  const count = LISTEN_PID === String(own) && /^\d{1,3}$/.test(LISTEN_FDS ?? '') ? Number(LISTEN_FDS) : 0;
  const socket = NOTIFY_SOCKET === undefined ? undefined : UnixDatagrams.connect(NOTIFY_SOCKET);
  const notify = (state: string) => void socket?.send(Buffer.from(state));
  if (WATCHDOG_PID === undefined || WATCHDOG_PID === String(own)) watchdog(Number(WATCHDOG_USEC), notify);
  return { sockets: Array.from({ length: count }, (_, i) => FIRST + i), notify };
}

/** Twice as often as is asked for, sd_watchdog_enabled(3): an event loop that stands still is silent. @param limit microseconds */
function watchdog(limit: number, notify: (state: string) => void): void {
  if (!(limit > 0)) return;
  setInterval(() => notify('WATCHDOG=1'), limit / 2000).unref();
}
