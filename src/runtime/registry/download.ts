import { EngineError, errorMessage } from '../../model/errors.ts';
import { Unreachable } from './failure.ts';
import { Patience } from './persist.ts';
import type { Repository } from './repository.ts';

export interface DownloadOptions {
  /** How often it is asked for in vain before it fails */
  readonly attempts: number;
  readonly signal: AbortSignal;
  /** Called each second before another try, with the seconds left */
  readonly retrying: (seconds: number) => void;
}

/** Bytes after which a connection that breaks off again counts as a first failure */
const PROGRESS = 1 << 20;

/**
 * The bytes of a blob. A connection that breaks off is made anew and goes on where it was. The digest is for the reader
 * to check.
 *
 * @throws RegistryError, Unreachable; EngineError internal when there is more than its descriptor says
 */
export async function* downloadBlob(
  repository: Repository,
  blob: { readonly digest: string; readonly size: number },
  { attempts, signal, retrying }: DownloadOptions,
): AsyncGenerator<Buffer> {
  const patience = new Patience(attempts);
  let offset = 0;
  while (offset < blob.size) {
    const start = offset;
    try {
      for await (const chunk of readable(await repository.blob(blob.digest, offset, signal), blob.digest)) {
        offset += chunk.length;
        if (offset > blob.size) throw tooLong(blob);
        yield chunk;
      }
      if (offset < blob.size) throw new Unreachable(`${blob.digest}: unexpected EOF`);
    } catch (error) {
      if (offset - start >= PROGRESS) patience.restore();
      await patience.after(error, signal, retrying);
    }
  }
}

/** A connection's end in the middle is a matter of the network, whatever Node calls it. */
async function* readable(source: AsyncIterable<Buffer>, digest: string): AsyncGenerator<Buffer> {
  try {
    yield* source;
  } catch (error) {
    throw new Unreachable(`${digest}: ${errorMessage(error)}`, { cause: error });
  }
}

function tooLong({ digest, size }: { readonly digest: string; readonly size: number }): EngineError {
  return new EngineError(
    'internal',
    `filesystem layer verification failed for digest ${digest}: more than ${size} bytes`,
  );
}
