import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type Header, pack } from 'tar-stream';
import { Runtime } from '../../src/runtime/runtime.ts';
import { NO_REGISTRY_OPTIONS } from '../no-registries.ts';
import { silent, workplace } from './containerd.ts';

/** Options of a removal when no container is made from the image. */
export const noUser = { force: false, prune: true, inUse: () => undefined };

/** A runtime of its own for a test file, with what its tests ask of it again and again. */
export class ImageHost implements AsyncDisposable {
  readonly runtime: Runtime;
  readonly directory: string;
  readonly #close: () => Promise<void>;

  private constructor(runtime: Runtime, directory: string, close: () => Promise<void>) {
    this.runtime = runtime;
    this.directory = directory;
    this.#close = close;
  }

  static async start(): Promise<ImageHost> {
    const place = await workplace();
    const { directory } = place;
    const runtime = await Runtime.start({
      dataRoot: directory,
      execRoot: join(directory, 'exec'),
      logger: silent,
      registry: NO_REGISTRY_OPTIONS,
    });
    return new ImageHost(runtime, directory, async () => {
      await runtime.close();
      await place[Symbol.asyncDispose]();
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  /** What `docker load` prints. */
  async load(archive: Buffer): Promise<string> {
    let output = '';
    await this.runtime.images.load(Readable.from([archive], { objectMode: false }), (line) => {
      output += line;
    });
    return output;
  }

  importTar(name: string, tar: Buffer, ...changes: string[]): Promise<string> {
    const source = Readable.from([tar], { objectMode: false });
    return this.runtime.images.import(source, { repository: name, changes, message: '' });
  }

  /** Everything containerd holds: content, uploads, snapshots, images, leases. */
  async holdings(): Promise<Readonly<Record<string, readonly string[]>>> {
    const { content, snapshots, images, leases } = this.runtime.containerd;
    const blobs: string[] = [];
    for await (const { info } of content.list({})) blobs.push(...info.map((blob) => blob.digest));
    const layers: string[] = [];
    for await (const { info } of snapshots.list({ snapshotter: 'overlayfs' }))
      layers.push(...info.map((one) => one.name));
    return {
      blobs: blobs.sort(),
      uploads: (await content.listStatuses({})).statuses.map((status) => status.ref),
      layers: layers.sort(),
      images: (await images.list({})).images.map((image) => image.name),
      leases: (await leases.list({})).leases.map((lease) => lease.id),
    };
  }

  async assertEmpty(): Promise<void> {
    assert.deepEqual(await this.holdings(), { blobs: [], uploads: [], layers: [], images: [], leases: [] });
  }
}

type File = Partial<Header> & { readonly name: string; readonly text?: string | Buffer };

/** A tar of files with content, or whatever the header says. */
export async function tarOf(...files: readonly File[]): Promise<Buffer> {
  const archive = pack();
  const whole = collect(archive as AsyncIterable<Buffer>);
  for (const { text = '', ...header } of files) archive.entry(header, text);
  archive.finalize();
  return whole;
}

export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
