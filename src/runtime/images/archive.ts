import { posix } from 'node:path';
import { pipeline, type Readable } from 'node:stream';
import { extract } from 'tar-stream';
import { EngineError, errorMessage } from '../../model/errors.ts';
import { tarError } from '../files/tar-error.ts';
import { checkEntry, guarded } from '../files/tar-guard.ts';
import type { Blob, Blobs } from './blobs.ts';
import { decompress } from './decompress.ts';

/** An archive of `docker save` has some files for each layer; this is far beyond any. */
const MAX_ENTRIES = 10_000;
const MAX_LINKS = 8;
/** Descriptions from before 2015 that nothing reads any more: the image configuration says the same. */
const OBSOLETE = new Set(['json', 'VERSION', 'repositories']);

/** The files of an archive, each a blob under the lease it was read with. */
export class Archive {
  readonly #files = new Map<string, Blob>();
  readonly #links = new Map<string, string>();

  /**
   * Reads an archive into the content store, as it comes, plain or compressed.
   *
   * @throws EngineError invalidArgument when it is no tar, ends early, or holds a path that leaves it
   */
  static async read(source: Readable, blobs: Blobs, lease: string): Promise<Archive> {
    const archive = new Archive();
    const entries = extract();
    const tar = await decompress(source);
    let broken: Error | undefined;
    tar.once('error', (error) => {
      broken = error;
    });
    pipeline(tar, guarded, entries as unknown as NodeJS.WritableStream, () => undefined);
    let count = 0;
    try {
      for await (const entry of entries) {
        count += 1;
        if (count > MAX_ENTRIES) throw new EngineError('tooLarge', `invalid archive: more than ${MAX_ENTRIES} files`);
        checkEntry(entry.header);
        const path = insidePath(entry.header.name);
        const { type } = entry.header;
        if (type === 'link') archive.#links.set(path, insidePath(entry.header.linkname ?? ''));
        if (type === 'symlink')
          archive.#links.set(path, insidePath(posix.join(posix.dirname(path), entry.header.linkname ?? '')));
        const wanted = type === 'file' && !OBSOLETE.has(posix.basename(path));
        if (wanted) archive.#files.set(path, await blobs.write(entry as AsyncIterable<Buffer>, { lease }));
        else entry.resume();
      }
    } catch (error) {
      // A file that nobody had begun to read when the source broke does not know why.
      throw tarError(errorMessage(error) === 'Stream was destroyed' ? (broken ?? error) : error);
    }
    return archive;
  }

  has(path: string): boolean {
    return this.#files.has(path) || this.#links.has(path);
  }

  /** Follows links within the archive. @throws EngineError invalidArgument when there is no such file */
  file(path: string): Blob {
    let place = posix.normalize(path);
    for (let hops = 0; hops < MAX_LINKS; hops++) {
      const file = this.#files.get(place);
      if (file !== undefined) return file;
      const target = this.#links.get(place);
      if (target === undefined) break;
      place = target;
    }
    throw new EngineError('invalidArgument', `invalid archive: no file ${path}`);
  }

  /** A blob of an OCI layout. @throws EngineError invalidArgument when it is missing, or not what its name says */
  blob(digest: string): Blob {
    const blob = this.file(`blobs/${digest.replace(':', '/')}`);
    if (blob.digest !== digest)
      throw new EngineError('invalidArgument', `invalid archive: ${digest} is ${blob.digest}`);
    return blob;
  }
}

/** @throws EngineError invalidArgument for what is absolute or leads out */
function insidePath(name: string): string {
  const path = posix.normalize(name);
  if (posix.isAbsolute(path) || path === '..' || path.startsWith('../')) {
    throw new EngineError('invalidArgument', `invalid archive: path "${name}" leads out of it`);
  }
  return path;
}
