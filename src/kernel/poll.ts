import * as sys from './sys.ts';

interface Watch {
  readonly handle: sys.PollHandle;
  readonly callback: () => void;
}

/** The event loop of this process, as uv_poll(3) offers it: there is one, so there is one of these. */
class Poller {
  readonly #watches = new Map<bigint, Watch>();
  readonly #ready = new Set<bigint>();
  #native: sys.Pointer;

  watch(fd: number, callback: () => void, keepsAlive: boolean): Disposable {
    this.#native ??= sys.pollCallback((id, status) => this.#wake(id, status));
    const handle = sys.pollOpen(fd);
    this.#watches.set(handle.id, { handle, callback });
    sys.pollStart(handle, this.#native);
    if (!keepsAlive) sys.pollUnref(handle);
    return { [Symbol.dispose]: () => this.#forget(handle) };
  }

  /** Called by libuv, outside of JavaScript's turn: an exception or a promise would go wrong here, so it only queues. */
  #wake(id: bigint, status: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    // POLLERR, as netlink says after ENOBUFS, stops the handle
    if (status < 0) sys.pollStart(watch.handle, this.#native);
    if (this.#ready.size === 0) setImmediate(() => this.#run());
    this.#ready.add(id);
  }

  #run(): void {
    const ready = [...this.#ready];
    this.#ready.clear();
    for (const id of ready) this.#watches.get(id)?.callback();
  }

  #forget(handle: sys.PollHandle): void {
    if (this.#watches.delete(handle.id)) sys.pollClose(handle);
  }
}

const poller = new Poller();

/**
 * Calls back when the descriptor can be read, for those Node has no class for. The callback must read until nothing waits,
 * or it is called again at once. Dispose before the descriptor is closed. Main thread only.
 * @param keepsAlive false: waiting for it is no reason for the process to stay
 */
export function watchReadable(fd: number, callback: () => void, keepsAlive = true): Disposable {
  return poller.watch(fd, callback, keepsAlive);
}
