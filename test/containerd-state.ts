import type { TestHost } from './host.ts';

/** What lies in the private containerd of a daemon under test, by the name of each thing. For finding what leaks. */
export async function containerdState(host: TestHost): Promise<Record<string, string[]>> {
  const ctr = async (...args: readonly string[]) => {
    const output = await host.out(['ctr', '-a', '/run/fairway/containerd/containerd.sock', '-n', 'fairway', ...args]);
    return output.split('\n').flatMap((line) => line.split(/\s+/)[0] || []);
  };
  // What nobody refers to any more is collected in the background, unless somebody waits for it.
  const [lease = ''] = await ctr('leases', 'create');
  await ctr('leases', 'delete', '--sync', lease);
  const [blobs, ingests, leases, snapshots] = await Promise.all([
    ctr('content', 'ls', '-q'),
    ctr('content', 'active'),
    ctr('leases', 'ls', '-q'),
    ctr('snapshots', 'ls'),
  ]);
  return { blobs: blobs.sort(), ingests: ingests.slice(1), leases, snapshots: snapshots.slice(1).sort() };
}
