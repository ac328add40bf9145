import { createHash } from 'node:crypto';
import { hasStatus } from '../../grpc/error.ts';
import { EngineError } from '../../model/errors.ts';
import type { Containerd } from '../containerd/client.ts';
import { uniqueName } from './lease.ts';

export interface Blob {
  /** "sha256:…" */
  readonly digest: string;
  /** Bytes */
  readonly size: number;
}

type Labels = Readonly<Record<string, string>>;

export interface WriteOptions {
  /** Keeps the blob until it ends; absent: somebody keeps the digest already */
  readonly lease?: string;
  /** References to other content, for garbage collection; set also when the blob was there before */
  readonly labels?: Labels;
  /** The digest it must have, which containerd checks; absent: it is counted here */
  readonly expected?: string;
}

/** Content is not what it should be. */
export class WrongDigest extends EngineError {
  constructor(digest: string, options?: ErrorOptions) {
    super('internal', `filesystem layer verification failed for digest ${digest}`, options);
    this.name = 'WrongDigest';
  }
}

/** Each chunk is acknowledged: large enough that this costs nothing, small enough to be no burden in memory. */
const CHUNK = 1 << 20;
/** Manifests and configurations are some KiB; registries refuse manifests above 4 MiB. */
export const MAX_DOCUMENT = 4 << 20;

/** containerd's content store: bytes in, named by their digest. */
export class Blobs {
  readonly #containerd: Containerd;

  constructor(containerd: Containerd) {
    this.#containerd = containerd;
  }

  /**
   * Stores a stream, without ever holding more than a chunk of it.
   *
   * @throws what the source throws; WrongDigest; then nothing is left behind
   */
  async write(source: AsyncIterable<Buffer> | Iterable<Buffer>, options: WriteOptions): Promise<Blob> {
    const ref = uniqueName();
    const { content } = this.#containerd;
    const upload = content.write({ lease: options.lease });
    const hash = options.expected === undefined ? createHash('sha256') : undefined;
    let offset = 0;
    try {
      await upload.send({ action: 'stat', ref });
      await upload.receive();
      for await (const data of inChunks(source)) {
        for (const piece of data) hash?.update(piece);
        await upload.send({ action: 'write', ref, offset, data });
        await upload.receive();
        offset += data.reduce((sum, { length }) => sum + length, 0);
      }
      const digest = options.expected ?? `sha256:${hash?.digest('hex')}`;
      await upload.send({
        action: 'commit',
        ref,
        offset,
        total: offset,
        expected: digest,
        labels: options.labels,
      });
      await upload.receive().catch((error: unknown) => this.#refused(error, digest, options.labels));
      return { digest, size: offset };
    } catch (error) {
      // When even this fails, containerd is gone; the next start aborts what is left.
      await content.abort({ ref }).catch(() => undefined);
      throw error;
    } finally {
      upload.close();
    }
  }

  /** Small content as JSON. @throws EngineError notFound; invalidArgument when it is too large or no JSON */
  async readDocument(digest: string): Promise<unknown> {
    return parseDocument(await this.readWhole(digest), digest);
  }

  /** Small content. @throws EngineError notFound; invalidArgument when it is too large */
  async readWhole(digest: string): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let size = 0;
    for await (const chunk of this.read(digest)) {
      size += chunk.length;
      if (size > MAX_DOCUMENT) throw new EngineError('invalidArgument', `invalid image: ${digest} is too large`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  /** @param length bytes from the start; undefined: all */
  async *read(digest: string, length = 0): AsyncGenerator<Buffer> {
    for await (const { data } of this.#containerd.content.read({ digest, size: length })) yield data;
  }

  /** What is known of a blob; undefined when it is not there. */
  async info(digest: string): Promise<{ readonly size: number; readonly labels: Labels } | undefined> {
    try {
      const { info } = await this.#containerd.content.info({ digest });
      return { size: info?.size ?? 0, labels: info?.labels ?? {} };
    } catch (error) {
      if (hasStatus(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
  }

  async has(digest: string): Promise<boolean> {
    return (await this.info(digest)) !== undefined;
  }

  /** Sets these labels and leaves the others. */
  async label(digest: string, labels: Labels): Promise<void> {
    const paths = Object.keys(labels).map((name) => `labels.${name}`);
    await this.#containerd.content.update({ info: { digest, labels }, updateMask: { paths } });
  }

  async #refused(error: unknown, digest: string, labels: Labels | undefined) {
    if (hasStatus(error, 'FAILED_PRECONDITION')) throw new WrongDigest(digest, { cause: error });
    if (!hasStatus(error, 'ALREADY_EXISTS')) throw error;
    if (labels !== undefined) await this.label(digest, labels);
  }
}

/** @throws EngineError invalidArgument */
export function parseDocument(bytes: Buffer, name: string): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch (error) {
    throw new EngineError('invalidArgument', `invalid image: ${name} is no JSON`, { cause: error });
  }
}

/** The same bytes in portions of at least CHUNK, the last one shorter; not copied, for there are gigabytes of them. */
async function* inChunks(source: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer[]> {
  let pending: Buffer[] = [];
  let size = 0;
  for await (const piece of source) {
    for (let start = 0; start < piece.length; start += CHUNK) {
      const part = piece.subarray(start, start + CHUNK);
      pending.push(part);
      size += part.length;
      if (size < CHUNK) continue;
      yield pending;
      pending = [];
      size = 0;
    }
  }
  if (size > 0) yield pending;
}
