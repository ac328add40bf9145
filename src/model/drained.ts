/** A stream, or what behaves as one: streamx's have other types than Node's. */
interface Draining {
  on(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
}

/** Fulfilled when a stream that did not take all of it takes more, or never will again. Errors are the caller's to hear. */
export function drained(target: Draining): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      target.off('drain', done);
      target.off('close', done);
      resolve();
    };
    target.on('drain', done);
    target.on('close', done);
  });
}
