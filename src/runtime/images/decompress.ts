import { pipeline, Readable, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { EngineError } from '../../model/errors.ts';

export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

/** First bytes by which formats are known (magic(5)). */
const MAGIC: readonly (readonly [Compression, Buffer])[] = [
  ['gzip', Buffer.from([0x1f, 0x8b, 0x08])],
  ['zstd', Buffer.from([0x28, 0xb5, 0x2f, 0xfd])],
  ['bzip2', Buffer.from('BZh')],
  ['xz', Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])],
];
const LONGEST_MAGIC = 6;

export function detectCompression(start: Buffer): Compression {
  return MAGIC.find(([, magic]) => start.subarray(0, magic.length).equals(magic))?.[0] ?? 'none';
}

/**
 * The stream as it was before it was compressed with gzip or zstd. Destroying it destroys the source.
 *
 * @throws EngineError invalidArgument for bzip2 and xz, which Node cannot read; what the source throws
 */
export async function decompress(source: Readable): Promise<Readable> {
  const iterator: AsyncIterator<Buffer> = source[Symbol.asyncIterator]();
  let start: Buffer = Buffer.alloc(0);
  while (start.length < LONGEST_MAGIC) {
    const next = await iterator.next();
    if (next.done === true) break;
    start = Buffer.concat([start, next.value]);
  }
  const whole = Readable.from(replay(start, iterator), { objectMode: false });
  const compression = detectCompression(start);
  if (compression === 'none') return whole;
  if (compression === 'gzip') return through(whole, createGunzip());
  if (compression === 'zstd') return through(whole, createZstdDecompress());
  source.destroy();
  throw new EngineError(
    'invalidArgument',
    `Cannot read the archive: ${compression} is not supported, gzip and zstd are`,
  );
}

/** A failure is the reader's to see, whenever it begins to read: before, nobody listens, and Node would end the process. */
export function expectErrors<S extends Readable>(stream: S): S {
  stream.on('error', () => undefined);
  return stream;
}

function through(source: Readable, transform: Transform): Readable {
  return pipeline(source, expectErrors(transform), () => undefined);
}

async function* replay(start: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (start.length > 0) yield start;
  try {
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
