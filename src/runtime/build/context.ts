import { spawn } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EngineError } from '../../model/errors.ts';
import { decompress, expectErrors } from '../images/decompress.ts';
import type { RemappedUsers } from '../spec/namespaces.ts';
import { asUsers } from './contained.ts';
import { LARGEST_DOCKERFILE } from './dockerfile.ts';
import { parseIgnoreFile } from './ignore.ts';

/** tar's own words are kept up to here, in bytes */
const MAX_WORDS = 4096;

/**
 * Unpacks what a client sends, plain or compressed, as it comes. GNU tar strips leading slashes, refuses "..", and makes
 * links that could lead elsewhere only when everything else is there: nothing gets out of the folder.
 *
 * @param options.users to whom it belongs then @throws EngineError invalidArgument when it is no tar
 */
export async function receiveContext(
  source: Readable,
  folder: string,
  { users, signal }: { readonly users: RemappedUsers | undefined; readonly signal: AbortSignal },
): Promise<void> {
  expectErrors(source);
  const tar = await decompress(source);
  const flags = ['--no-same-owner', '--preserve-permissions', '--delay-directory-restore', '--warning=no-timestamp'];
  const [program = '', ...args] = [...asUsers(users), 'tar', '--extract', '--file=-', ...flags];
  const child = spawn(program, args, {
    cwd: folder,
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    signal,
    killSignal: 'SIGKILL',
  });
  let words = '';
  child.stderr.on('data', (chunk: Buffer) => {
    words = (words + chunk.toString()).slice(0, MAX_WORDS);
  });
  const { promise: ended, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', reject);
  child.once('close', (code) => resolve(code ?? 1));
  // tar stops reading at the end of the archive, or at its first error: its exit code tells which.
  const [code, sent] = await Promise.allSettled([ended, pipeline(tar, child.stdin)]);
  signal.throwIfAborted();
  if (code.status === 'rejected') throw code.reason;
  // What came until then may look complete.
  if (sent.status === 'rejected' && sent.reason instanceof EngineError) throw sent.reason;
  if (code.value === 0) return;
  const lines = words.replaceAll('tar: ', '').split('\n');
  // It says what it strips from names before it says what it refuses.
  const first = lines.find((line) => !line.startsWith('Removing leading')) ?? '';
  throw new EngineError(
    'invalidArgument',
    `Cannot unpack the build context: ${first === '' ? 'it ended early' : first}`,
  );
}

/**
 * A Dockerfile of the context. Links in it may lead anywhere within it.
 * @throws EngineError invalidArgument in Docker's words
 */
export function readDockerfile(context: string, path: string): string {
  const inside = posix.normalize(posix.join('/', path));
  const found =
    resolveInside(context, inside) ?? (inside === '/Dockerfile' ? resolveInside(context, '/dockerfile') : undefined);
  if (found === undefined) throw new EngineError('invalidArgument', `Cannot locate specified Dockerfile: ${path}`);
  return readText(found, path);
}

/** Patterns of what the context leaves out. @throws EngineError invalidArgument when its .dockerignore is no file */
export function readIgnored(context: string): string[] {
  const found = resolveInside(context, '/.dockerignore');
  return found === undefined ? [] : parseIgnoreFile(readText(found, '.dockerignore'));
}

/** @param shown in place of its path @throws EngineError invalidArgument */
function readText(path: string, shown: string): string {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile() || stats.size > LARGEST_DOCKERFILE) {
      throw new EngineError(
        'invalidArgument',
        `Cannot read ${shown}: it must be a file of at most ${LARGEST_DOCKERFILE} bytes`,
      );
    }
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

/** @throws EngineError forbidden when a link leads out of the context */
function resolveInside(context: string, path: string): string | undefined {
  let found: string;
  try {
    found = realpathSync(join(context, path));
  } catch {
    return undefined;
  }
  if (found.startsWith(realpathSync(context) + sep)) return found;
  throw new EngineError('forbidden', `Forbidden path outside the build context: ${path.slice(1)}`);
}
