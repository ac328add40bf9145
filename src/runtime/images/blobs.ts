import { createHash } from 'node:crypto';
import { EngineError } from '../../model/errors.ts';
import type { Containerd } from '../containerd/client.ts';
import { hasStatus } from '../containerd/error.ts';
import { uniqueName } from './lease.ts';

export interface Blob {
  /** "sha256:…" */
  readonly digest: string;
  /** Bytes */
  readonly size: number;
}

/** Each chunk is acknowledged: large enough that this costs nothing, small enough to be no burden in memory. */
const CHUNK = 1 << 20;
/** Manifests and configurations are some KiB; registries refuse manifests above 4 MiB. */
const MAX_DOCUMENT = 4 << 20;

/** containerd's content store: bytes in, named by their digest. */
export class Blobs {
  readonly #containerd: Containerd;

  constructor(containerd: Containerd) {
    this.#containerd = containerd;
  }

  /**
   * Stores a stream, without ever holding more than a chunk of it.
   *
   * @param options.labels references to other content, for garbage collection; set also when the blob was there before
   * @throws what the source throws; then nothing is left behind
   */
  async write(
    source: AsyncIterable<Buffer> | Iterable<Buffer>,
    options: { readonly lease: string; readonly labels?: Readonly<Record<string, string>> },
  ): Promise<Blob> {
    const ref = uniqueName();
    const { content } = this.#containerd;
    const upload = content.write({ lease: options.lease });
    const hash = createHash('sha256');
    let offset = 0;
    try {
      await upload.send({ action: 'stat', ref });
      await upload.receive();
      for await (const data of inChunks(source)) {
        hash.update(data);
        await upload.send({ action: 'write', ref, offset, data });
        await upload.receive();
        offset += data.length;
      }
      const blob = { digest: `sha256:${hash.digest('hex')}`, size: offset };
      await upload.send({
        action: 'commit',
        ref,
        offset,
        total: offset,
        expected: blob.digest,
        labels: options.labels,
      });
      await upload.receive().catch((error: unknown) => this.#alreadyThere(error, blob.digest, options.labels));
      return blob;
    } catch (error) {
      // When even this fails, containerd is gone; the next start aborts what is left.
      await content.abort({ ref }).catch(() => undefined);
      throw error;
    } finally {
      upload.close();
    }
  }

  /** Small content, whole. @throws EngineError notFound; invalidArgument when it is too large or no JSON */
  async readDocument(digest: string): Promise<unknown> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.read(digest)) {
      size += chunk.length;
      if (size > MAX_DOCUMENT) throw new EngineError('invalidArgument', `invalid image: ${digest} is too large`);
      chunks.push(chunk);
    }
    return parseDocument(Buffer.concat(chunks), digest);
  }

  /** @param length bytes from the start; undefined: all */
  async *read(digest: string, length = 0): AsyncGenerator<Buffer> {
    for await (const { data } of this.#containerd.content.read({ digest, size: length })) yield data;
  }

  async #alreadyThere(error: unknown, digest: string, labels: Readonly<Record<string, string>> | undefined) {
    if (!hasStatus(error, 'ALREADY_EXISTS')) throw error;
    if (labels === undefined) return;
    const paths = Object.keys(labels).map((name) => `labels.${name}`);
    await this.#containerd.content.update({ info: { digest, labels }, updateMask: { paths } });
  }
}

/** @throws EngineError invalidArgument */
function parseDocument(bytes: Buffer, name: string): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch (error) {
    throw new EngineError('invalidArgument', `invalid image: ${name} is no JSON`, { cause: error });
  }
}

/** The same bytes in pieces of CHUNK, the last one shorter. */
async function* inChunks(source: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
  let pending: Buffer[] = [];
  let size = 0;
  for await (const piece of source) {
    for (let start = 0; start < piece.length; ) {
      const part = piece.subarray(start, start + CHUNK - size);
      pending.push(part);
      size += part.length;
      start += part.length;
      if (size < CHUNK) continue;
      yield Buffer.concat(pending);
      pending = [];
      size = 0;
    }
  }
  if (size > 0) yield Buffer.concat(pending);
}
