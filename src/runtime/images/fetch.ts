import { GrpcError } from '../../grpc/error.ts';
import { EngineError, errorMessage } from '../../model/errors.ts';
import type { Progress, ProgressListener, RegistryConfig } from '../../model/registry.ts';
import { type Containerd, SNAPSHOTTER } from '../containerd/client.ts';
import { downloadBlob } from '../registry/download.ts';
import type { Repository } from '../registry/repository.ts';
import { type Blobs, WrongDigest } from './blobs.ts';
import { chainIds, hasSnapshot, type LayerDescriptor, type Layers } from './layers.ts';
import { withLease } from './lease.ts';
import { describeLayer } from './load.ts';
import { Shared, Slots, type Watcher } from './shared.ts';

/** An image's layers, lowest first. */
interface LayerStack {
  readonly layers: readonly LayerDescriptor[];
  /** As many */
  readonly diffIds: readonly string[];
  /** Keeps them until the image has a name */
  readonly lease: string;
}

interface Fetched {
  readonly signal: AbortSignal;
  readonly progress: ProgressListener;
}

interface FetchTools {
  readonly containerd: Containerd;
  readonly blobs: Blobs;
  readonly layers: Layers;
  readonly registry: { readonly config: RegistryConfig };
}

type Report = (progress: Progress) => void;

/** Milliseconds between two steps of a bar */
const BAR_INTERVAL = 100;
/** Whether a layer comes wrong twice decides whether the network or the registry was it. */
const VERIFY_ATTEMPTS = 2;

/** Layers on their way in: several at once, each once however many pulls want it. */
export class Fetcher {
  readonly #containerd: Containerd;
  readonly #blobs: Blobs;
  readonly #layers: Layers;
  readonly #config: RegistryConfig;
  readonly #slots: Slots;
  readonly #downloads = new Shared();
  readonly #unpacking = new Shared();

  constructor({ containerd, blobs, layers, registry: { config } }: FetchTools) {
    this.#containerd = containerd;
    this.#blobs = blobs;
    this.#layers = layers;
    this.#config = config;
    this.#slots = new Slots(() => config.maxConcurrentDownloads);
  }

  /** A configuration: small, and nothing to show. @throws WrongDigest, RegistryError, Unreachable */
  async document(repository: Repository, blob: LayerDescriptor, lease: string, signal: AbortSignal): Promise<void> {
    await this.#keep('content', blob.digest, lease);
    if (await this.#blobs.has(blob.digest)) return;
    await this.#download(repository, blob, signal, () => undefined);
  }

  /**
   * Downloads and unpacks what is missing of a stack, and shows every step as Docker does. A layer is unpacked as soon as
   * it and those below it are there.
   */
  async fetch(repository: Repository, stack: LayerStack, { signal, progress }: Fetched): Promise<void> {
    const chains = chainIds(stack.diffIds);
    await Promise.all([
      ...stack.layers.map(({ digest }) => this.#keep('content', digest, stack.lease)),
      ...chains.map((chain) => this.#keep(`snapshots/${SNAPSHOTTER}`, chain, stack.lease)),
    ]);
    const present = await this.#present(stack.layers, chains);
    for (const [index, { digest }] of stack.layers.entries()) {
      const status = index < present ? 'Already exists' : 'Pulling fs layer';
      progress({ status, id: shortDigest(digest), detail: {} });
    }
    const failing = new AbortController();
    const failed = rejection(failing.signal);
    const watch = { signal: AbortSignal.any([signal, failing.signal]), progress };
    const downloads = stack.layers
      .map((layer, index) => (index < present ? Promise.resolve() : this.#wanted(repository, layer, watch)))
      .map((download) => {
        // The first failure ends the others; it is thrown below.
        download.catch((error: unknown) => failing.abort(error));
        return download;
      });
    try {
      for (const [index, layer] of stack.layers.entries()) {
        await Promise.race([downloads[index], failed]);
        if (index >= present) await this.#unpack(layer, stack.diffIds, chains, index, watch);
      }
    } catch (error) {
      failing.abort(error);
      throw error;
    } finally {
      await Promise.allSettled(downloads);
    }
  }

  /** Named first, looked for afterwards: from then on nobody can take it away. */
  async #keep(type: string, id: string, lease: string): Promise<void> {
    await this.#containerd.leases.addResource({ id: lease, resource: { id, type } });
  }

  /** How many of the lowest layers are there, both as they were packed and unpacked. */
  async #present(layers: readonly LayerDescriptor[], chains: readonly string[]): Promise<number> {
    for (const [index, { digest }] of layers.entries()) {
      const both = (await hasSnapshot(this.#containerd, chains[index] ?? '')) && (await this.#blobs.has(digest));
      if (!both) return index;
    }
    return layers.length;
  }

  async #wanted(repository: Repository, layer: LayerDescriptor, watcher: Watcher): Promise<void> {
    const id = shortDigest(layer.digest);
    await this.#downloads.run(layer.digest, watcher, async (signal, report) => {
      // It may outlive the pull that began it.
      using _connection = repository.connection.share();
      const waiting = () => report({ status: 'Waiting', id, detail: {} });
      // In the order they are asked for: the lowest is unpacked first.
      await this.#slots.run(signal, waiting, async () => {
        if (!(await this.#blobs.has(layer.digest))) await this.#download(repository, layer, signal, report);
      });
      report({ status: 'Download complete', id, detail: {} });
    });
  }

  async #download(repository: Repository, layer: LayerDescriptor, signal: AbortSignal, report: Report): Promise<void> {
    const id = shortDigest(layer.digest);
    const retrying = (seconds: number) =>
      report({ status: `Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`, id, detail: {} });
    for (let attempt = 1; ; attempt++) {
      try {
        const source = downloadBlob(repository, layer, {
          attempts: this.#config.maxDownloadAttempts,
          signal,
          retrying,
        });
        await this.#blobs.write(withBar(source, layer, report), { expected: layer.digest });
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof WrongDigest) || attempt === VERIFY_ATTEMPTS) throw error;
      }
    }
  }

  async #unpack(
    layer: LayerDescriptor,
    diffIds: readonly string[],
    chains: readonly string[],
    index: number,
    watcher: Watcher,
  ): Promise<void> {
    const id = shortDigest(layer.digest);
    const chain = chains[index] ?? '';
    const step = { index, diffId: diffIds[index] ?? '', parent: chains[index - 1] ?? '', chain };
    await this.#unpacking.run(chain, watcher, async (signal, report) => {
      const bar = (current: number) => report({ status: 'Extracting', id, detail: { current, total: layer.size } });
      bar(0);
      const packed = await describeLayer(this.#blobs, layer);
      const work = (lease: string) => this.#layers.unpack({ ...step, layer: packed }, lease, signal);
      await withLease(this.#containerd, work, { sync: false }).catch((error: unknown) => {
        signal.throwIfAborted();
        throw failedToRegister(error);
      });
      bar(layer.size);
    });
    watcher.progress({ status: 'Pull complete', id, detail: {} });
  }
}

/** The bar of a download, at most every BAR_INTERVAL and at its end. */
async function* withBar(source: AsyncIterable<Buffer>, layer: LayerDescriptor, report: Report): AsyncGenerator<Buffer> {
  const id = shortDigest(layer.digest);
  let current = 0;
  let shown = 0;
  for await (const chunk of source) {
    current += chunk.length;
    const now = performance.now();
    if (now - shown >= BAR_INTERVAL || current === layer.size) {
      shown = now;
      report({ status: 'Downloading', id, detail: { current, total: layer.size } });
    }
    yield chunk;
  }
  report({ status: 'Verifying Checksum', id, detail: {} });
}

/** As Docker says that a layer came, and could not be unpacked. */
function failedToRegister(error: unknown): unknown {
  if (!(error instanceof GrpcError)) return error;
  return new EngineError(error.kind, `failed to register layer: ${errorMessage(error)}`, { cause: error });
}

/** Rejects when the signal is aborted; whether anybody waits for it then or not. */
function rejection(signal: AbortSignal): Promise<never> {
  const promise = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  promise.catch(() => undefined);
  return promise;
}

/** The 12 characters by which people know a layer. */
export function shortDigest(digest: string): string {
  return digest.slice('sha256:'.length, 'sha256:'.length + 12);
}
