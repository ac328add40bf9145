import { randomBytes } from 'node:crypto';
import type { Containerd } from '../containerd/client.ts';

const OURS = 'fairway-';
/** A lease ends by itself after this: longer than any upload, for what a crash leaves behind. */
const EXPIRES_AFTER = 24 * 60 * 60 * 1000;

/** For leases and uploads: told from those of others, and found again after a crash. */
export function uniqueName(): string {
  return OURS + randomBytes(8).toString('hex');
}

/**
 * Does work whose half-made content and snapshots are kept while it lasts. What no image refers to in the end, is
 * removed, also when the work fails.
 *
 * @param options.sync false: removed some time later, which is quicker where nothing is expected to be
 */
export async function withLease<T>(
  containerd: Containerd,
  work: (lease: string) => Promise<T>,
  { sync = true }: { readonly sync?: boolean } = {},
): Promise<T> {
  const id = uniqueName();
  const expiry = new Date(Date.now() + EXPIRES_AFTER).toISOString();
  await containerd.leases.create({ id, labels: { 'containerd.io/gc.expire': expiry } });
  try {
    return await work(id);
  } finally {
    // When containerd is gone, the work's own failure says so; the lease expires.
    await containerd.leases.delete({ id, sync }).catch(() => undefined);
  }
}

/** Removes what a daemon that crashed had begun. Before any work of ours has started. */
export async function endForgottenLeases(containerd: Containerd): Promise<void> {
  const { leases } = await containerd.leases.list({});
  const { statuses } = await containerd.content.listStatuses({});
  for (const { ref } of statuses) {
    if (ref.startsWith(OURS)) await containerd.content.abort({ ref });
  }
  for (const { id } of leases) {
    if (id.startsWith(OURS)) await containerd.leases.delete({ id, sync: true });
  }
}

/** Does one thing after the other: what was found must still be so when it is acted on. */
export class Queue {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
