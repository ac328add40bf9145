import { closeSync, openSync } from 'node:fs';
import * as sys from './sys.ts';
import { epollAddOnce, epollCreate, epollReady } from './sys-epoll.ts';

interface Watch {
  readonly handle: sys.PollHandle;
  /** UV_* */
  readonly events: number;
  readonly callback: () => void;
}

/** The event loop of this process, as uv_poll(3) offers it: there is one, so there is one of these. */
class Poller {
  readonly #watches = new Map<bigint, Watch>();
  readonly #ready = new Set<bigint>();
  #native: sys.Pointer;

  watch(fd: number, events: number, callback: () => void, keepsAlive: boolean): Disposable {
    this.#native ??= sys.pollCallback((id, status) => this.#wake(id, status));
    const handle = sys.pollOpen(fd);
    this.#watches.set(handle.id, { handle, events, callback });
    sys.pollStart(handle, events, this.#native);
    if (!keepsAlive) sys.pollUnref(handle);
    return { [Symbol.dispose]: () => this.#forget(handle) };
  }

  /** Called by libuv, outside of JavaScript's turn: an exception or a promise would go wrong here, so it only queues. */
  #wake(id: bigint, status: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    // POLLERR, as netlink says after ENOBUFS, stops the handle
    if (status < 0) sys.pollStart(watch.handle, watch.events, this.#native);
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
  return poller.watch(fd, sys.UV_READABLE, callback, keepsAlive);
}

/** Descriptors whose first event alone is waited for, in a set of their own, which is one descriptor to the event loop. */
class FirstEvents {
  readonly #callbacks = new Map<number, (fd: number) => void>();
  #epoll: number | undefined;

  wait(fds: readonly number[], callback: (fd: number) => void): Disposable {
    this.#epoll ??= this.#open();
    for (const fd of fds) {
      epollAddOnce(this.#epoll, fd);
      this.#callbacks.set(fd, callback);
    }
    return { [Symbol.dispose]: () => this.#forget(fds, callback) };
  }

  /** A number may be another descriptor's by now. */
  #forget(fds: readonly number[], callback: (fd: number) => void): void {
    for (const fd of fds) if (this.#callbacks.get(fd) === callback) this.#callbacks.delete(fd);
  }

  #open(): number {
    const epoll = epollCreate();
    poller.watch(epoll, sys.UV_READABLE, () => this.#run(epoll), false);
    return epoll;
  }

  #run(epoll: number): void {
    for (const fd of epollReady(epoll)) {
      const callback = this.#callbacks.get(fd);
      this.#callbacks.delete(fd);
      callback?.(fd);
    }
  }
}

const firstEvents = new FirstEvents();

/**
 * Calls back once for each descriptor, when it can be read for the first time: of many that nearly all stay silent, each costs a
 * twentieth of watchReadable(). Dispose before they are closed, which also has to be done then: they cannot be waited for
 * again. Waiting is no reason for the process to stay. Main thread only.
 * @param callback another one for each call of this
 */
export function onFirstReadable(fds: readonly number[], callback: (fd: number) => void): Disposable {
  return firstEvents.wait(fds, callback);
}

/**
 * Calls back when something was mounted or unmounted where this process is (proc_pid_mountinfo(5)). Waiting for it is no
 * reason for the process to stay.
 */
export function watchMounts(callback: () => void): Disposable {
  const fd = openSync('/proc/self/mountinfo', 'r');
  const watch = poller.watch(fd, sys.UV_PRIORITIZED, callback, false);
  return {
    [Symbol.dispose]: () => {
      watch[Symbol.dispose]();
      closeSync(fd);
    },
  };
}
