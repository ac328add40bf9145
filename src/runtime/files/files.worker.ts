/** A thread of ContainerFiles: does one job after the other, each in a jail of its own, and tells how it went. */
import { lstatSync, readdirSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { close } from '../../kernel/sys.ts';
import { EngineError, errorMessage, hasCode, KernelError } from '../../model/errors.ts';
import { findChanges } from './changes.ts';
import { copyUp, detach } from './copy.ts';
import { makeDirectories } from './directories.ts';
import { attach, enterDirectories, enterLayers, enterRoot, Home, refuseReadOnly, sealRoot, Trees } from './jail.ts';
import type { Answer, Job, PathStat, RootView } from './job.ts';
import { ownLayer } from './own.ts';
import { Packer } from './pack.ts';
import { asBytes, asText, bytePath, followLinks } from './paths.ts';

function tell(answer: Answer): void {
  parentPort?.postMessage(answer);
}

/** Everything that is needed is imported before the jail is entered: from there, the daemon's own files are out of sight. */
async function run(job: Job): Promise<unknown> {
  switch (job.kind) {
    case 'stat':
      enterWhole(job.root, job.scratch);
      return statPath(asBytes(job.path));
    case 'pack':
      return pack(job);
    case 'unpack':
      return extract(job);
    case 'export':
      return exportAll(job);
    case 'copyUp':
      return fill(job);
    case 'makeDirectory':
      enterWhole(job.root, job.scratch);
      return makeDirectory(job.path, job.root);
    case 'changes':
      enterLayers(job.layers, job.scratch);
      return findChanges();
    case 'sizes':
      enterDirectories(job.directories, job.scratch);
      return job.directories.map((_, index) => sizeOf(`/${index}`, new Set()));
    case 'own':
      enterDirectories([job.directory], job.scratch);
      return ownLayer('/0', job.maps);
  }
}

function enterWhole(root: RootView, scratch: string): void {
  using trees = new Trees();
  enterRoot(root, scratch, trees);
  for (const seen of root.mounts) attach(seen, trees.of(seen), root.maps);
  if (root.readOnly) sealRoot();
}

function fill({ root, scratch }: Job & { kind: 'copyUp' }): void {
  using trees = new Trees();
  enterRoot(root, scratch, trees);
  for (const seen of root.mounts) copyUp(seen, trees.of(seen), root.maps);
  detach(root.mounts);
}

/** A link that leads to nothing is left to runc, which makes what it leads to. @throws EngineError internal in Docker's words */
function makeDirectory(path: string, { maps }: RootView): void {
  try {
    makeDirectories(asBytes(path), maps);
    if (statSync(path).isDirectory()) return;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return;
    if (!hasCode(error, 'ENOTDIR')) throw error;
  }
  throw new EngineError('internal', `Cannot mkdir: ${path} is not a directory`);
}

/** A link at the end of the path is not followed, unless a slash follows it (lstat(2)). */
function statPath(path: string): PathStat {
  const stats = lstatSync(bytePath(path), { bigint: true });
  return {
    name: asText(basename(path)) || '/',
    size: Number(stats.size),
    mode: Number(stats.mode),
    modified: stats.mtimeNs,
    linkTarget: stats.isSymbolicLink() ? asText(followLinks(path)) : '',
  };
}

/** A directory becomes the directory's name and what lies in it; "/." at the end means what lies in it alone. */
function pack(job: Job & { kind: 'pack' }): void {
  enterWhole(job.root, job.scratch);
  const path = asBytes(job.path);
  tell({ kind: 'ready', value: statPath(path) });
  const packer = new Packer(job.output, job.root.maps);
  packer.add(path, path === '/' ? '/' : basename(path));
  packer.end();
}

function exportAll(job: Job & { kind: 'export' }): void {
  enterWhole(job.root, job.scratch);
  tell({ kind: 'ready', value: undefined });
  const packer = new Packer(job.output, job.root.maps);
  packer.add('/', '');
  packer.end();
}

async function extract(job: Job & { kind: 'unpack' }): Promise<void> {
  const { unpack } = await import('./unpack.ts');
  enterWhole(job.root, job.scratch);
  if (!statSync(job.path).isDirectory()) {
    throw new EngineError('invalidArgument', 'extraction point is not a directory');
  }
  refuseReadOnly(job.root, job.path);
  tell({ kind: 'ready', value: undefined });
  await unpack(job.input, job.path, job.options, job.root.maps);
}

/** Files with several names count once, directories not at all, as in Docker. */
function sizeOf(path: string, seen: Set<string>): number {
  const stats = lstatSync(bytePath(path), { throwIfNoEntry: false });
  if (stats === undefined) return 0;
  if (!stats.isDirectory()) {
    const key = `${stats.dev}:${stats.ino}`;
    if (seen.has(key)) return 0;
    seen.add(key);
    return stats.size;
  }
  return readdirSync(bytePath(path), { encoding: 'latin1' }).reduce(
    (sum, name) => sum + sizeOf(`${path}/${name}`, seen),
    0,
  );
}

function codeOf(error: unknown): string {
  if (error instanceof EngineError && !(error instanceof KernelError)) return error.kind;
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** The answer comes last: whoever has it may send the next job. A thread that cannot come back ends. */
async function work(job: Job, home: Home): Promise<void> {
  let answer: Answer;
  try {
    answer = { kind: 'done', value: await run(job) };
  } catch (error) {
    answer = { kind: 'failed', code: codeOf(error), message: errorMessage(error) };
  } finally {
    home.return();
  }
  tell(answer);
  // The other end of the pipe learns by it that this is all.
  if ('input' in job) close(job.input);
  if ('output' in job) close(job.output);
}

const home = new Home();
parentPort?.on('message', (job: Job) => void work(job, home));
