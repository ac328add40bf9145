import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { pack } from 'tar-stream';
import { GrpcError } from '../grpc/error.ts';
import { drained } from '../model/drained.ts';
import { errorMessage } from '../model/errors.ts';
import type { SyncedFile } from './file-mode.ts';
import { invalid } from './file-names.ts';
import { FileSync } from './file-sync.ts';
import type { Session } from './session.ts';

type Tar = ReturnType<typeof pack>;

/** Which files of a client's folder. */
export interface Wanted {
  /** The folder's name in the session: "context", "dockerfile" */
  readonly name: string;
  /** Patterns, as in a .dockerignore */
  readonly exclude?: readonly string[];
  /** These alone, with the links that lead to them; undefined: all */
  readonly follow?: readonly string[] | undefined;
}

/** Bytes; the same for a Dockerfile as of the classic request */
const LARGEST_TEXT = 1 << 20;

/** What a client may send where some texts are wanted, links and their targets with them */
const MOST_FILES = 100;

/** Files by their paths: those that are wanted and are there. @throws GrpcError */
export async function receiveTexts(
  session: Session,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const links = new Map<string, string>();
  let count = 0;
  try {
    for await (const { path, type, size, content, linkName } of open(session, wanted, signal)) {
      if (++count > MOST_FILES) throw invalid('the client sent more files than it was asked for');
      if (type === 'symlink') links.set(path, linkName);
      if (type !== 'file') continue;
      if (size > LARGEST_TEXT) throw invalid(`Cannot read ${path}: it must be a file of at most ${LARGEST_TEXT} bytes`);
      found.set(path, (Buffer.isBuffer(content) ? content : await collect(content)).toString());
    }
  } catch (error) {
    throw syncFailure(error, wanted.name);
  }
  for (const [path, target] of links) {
    const text = found.get(posix.join(posix.dirname(path), target));
    if (text !== undefined) found.set(path, text);
  }
  return found;
}

async function collect(content: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of content) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The wanted files as a tar, which comes as it is read; an error of its is a GrpcError. */
export function receiveTar(session: Session, wanted: Wanted, signal: AbortSignal): Readable {
  const tar = pack();
  // It is heard of by whoever reads; nobody may read any more.
  tar.on('error', () => undefined);
  const filling = fill(tar, open(session, wanted, signal)).catch((error: unknown) =>
    tar.destroy(syncFailure(error, wanted.name)),
  );
  const readable = Readable.from(tar, { objectMode: false });
  readable.once('close', () => void filling);
  return readable;
}

async function fill(tar: Tar, files: AsyncIterable<SyncedFile>): Promise<void> {
  // The first name is ours: nobody shall take a client's for the beginning of a compressed file.
  await entry(tar, { path: './', type: 'directory', mode: 0o700, size: 0, modified: 0 });
  for await (const { content, ...file } of files) await entry(tar, file, content);
  tar.finalize();
}

async function entry(
  tar: Tar,
  file: Omit<SyncedFile, 'content' | 'linkName' | 'major' | 'minor'> & Partial<SyncedFile>,
  content: SyncedFile['content'] = Buffer.alloc(0),
): Promise<void> {
  const { path, type, mode, size, modified, linkName = '', major = 0, minor = 0 } = file;
  const { promise: written, resolve, reject } = Promise.withResolvers<void>();
  const sink = tar.entry(
    {
      name: path,
      type,
      mode,
      size: type === 'file' ? size : 0,
      mtime: new Date(modified * 1000),
      linkname: linkName,
      devmajor: major,
      devminor: minor,
    },
    (error) => (error == null ? resolve() : reject(error)),
  );
  sink.on('error', () => undefined);
  // It fails with the content, too, which is told first.
  written.catch(() => undefined);
  if (type === 'file') {
    for await (const chunk of Buffer.isBuffer(content) ? [content] : content) {
      if (!sink.write(chunk)) await drained(sink);
    }
    sink.end(undefined);
  }
  await written;
}

function open(session: Session, { name, exclude, follow }: Wanted, signal: AbortSignal): AsyncIterable<SyncedFile> {
  const metadata = {
    'dir-name': name,
    ...headers('exclude-patterns', exclude),
    ...headers('followpaths', follow),
  };
  return new FileSync(session.files.diffCopy({ signal, metadata })).files();
}

/** As headers hold ASCII alone, a list with anything else is encoded whole (buildkit, session/filesync). */
function headers(name: string, values: readonly string[] | undefined): Record<string, string | readonly string[]> {
  if (values === undefined || values.length === 0) return {};
  if (values.every((value) => /^[ -~]*$/.test(value))) return { [name]: values };
  return { [name]: values.map(encodeURIComponent), [`${name}-encoded`]: '1' };
}

function syncFailure(thrown: unknown, name: string): GrpcError {
  return new GrpcError('UNKNOWN', 'DiffCopy', `failed to receive the ${name}: ${errorMessage(thrown)}`);
}
