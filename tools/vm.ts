import { parseArgs } from 'node:util';
import { type Cgroups, runInGuest } from './vm/guest.ts';
import { findKernel } from './vm/kernel.ts';

/**
 * `npm run test:vm [-- files…]`: runs test files in a QEMU guest with Debian's own kernel and cgroup v2 alone, on the root of
 * this machine, which stays as it is. By emulation, so it runs without KVM, and 20–40 times slower than here.
 *
 *   --network        those in test/vm/ and of the drivers alone; then it is told whether those that docs/docker-compatibility.md names passed
 *   --cgroups v1     cgroup v1 alone instead
 *   --kernel DEB     another kernel than the one of this Debian: path of a linux-image package (not a "cloud" one, which lacks 9p)
 *   --command TEXT   a shell command instead of tests
 */
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cgroups: { type: 'string', default: 'v2' },
    kernel: { type: 'string' },
    command: { type: 'string' },
    network: { type: 'boolean', default: false },
  },
});

/** What depends on the kernel or on cgroups, and is short enough under emulation. */
const DEFAULT_FILES = [
  'test/runtime/process*.test.ts',
  'test/runtime/cgroup-moves.test.ts',
  'test/drivers/*.test.ts',
  'test/e2e/limits.test.ts',
  'test/e2e/lifecycle.test.ts',
  'test/e2e/restart.test.ts',
  'tools/vm/tests/*.test.ts',
];

const NODE = 'node --disable-warning=ExperimentalWarning';

/** What needs links that Debian's kernel has and others may lack, and that the older kernel takes what drivers describe. */
const NETWORK_FILES = ['test/vm/ipvlan.guest.ts', 'test/vm/*.guest.ts', 'test/drivers/*.test.ts'];

if (process.arch !== 'x64') throw new Error(`test:vm emulates x64 on x64 alone, and this is ${process.arch}`);
const kernel = await findKernel(values.kernel);
const command =
  values.command ?? (values.network ? networkTests() : tests(positionals.length > 0 ? positionals : DEFAULT_FILES));
console.log(`Linux ${kernel.release}, cgroup ${values.cgroups}: ${command}`);
process.exitCode = await runInGuest(kernel, { cgroups: cgroups(values.cgroups), command });

function tests(files: readonly string[], report = '/dev/null'): string {
  return `${NODE} tools/vm/run-tests.ts ${report} ${files.map((file) => `'${file}'`).join(' ')}`;
}

function networkTests(): string {
  const report = '/vm/ran.jsonl';
  return `${tests(NETWORK_FILES, report)} && ${NODE} tools/compatibility.ts ${report} test/vm/`;
}

function cgroups(text: string): Cgroups {
  if (text === 'v1' || text === 'v2') return text;
  throw new Error(`--cgroups is v1 or v2, not "${text}"`);
}
