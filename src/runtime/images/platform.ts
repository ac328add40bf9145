import { EngineError } from '../../model/errors.ts';
import type { Platform } from '../../model/registry.ts';
import type { IndexEntry } from './manifest.ts';

/** Node's names for architectures in the image specification's, which are Go's. */
const NODE_NAMES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };
/** Other names users know, with the variant they mean. */
const ALIASES: ReadonlyMap<string, readonly [architecture: string, variant: string]> = new Map([
  ['x86_64', ['amd64', '']],
  ['x86-64', ['amd64', '']],
  ['i386', ['386', '']],
  ['aarch64', ['arm64', '']],
  ['armhf', ['arm', 'v7']],
  ['armel', ['arm', 'v6']],
]);
/** What an architecture means where no variant is told. */
const BASE_VARIANT: ReadonlyMap<string, string> = new Map([
  ['arm', 'v7'],
  ['arm64', 'v8'],
]);

/** This machine's architecture as in an image's platform: "amd64". */
export function hostArchitecture(): string {
  return NODE_NAMES[process.arch] ?? process.arch;
}

export function hostPlatform(): Platform {
  return { os: 'linux', architecture: hostArchitecture(), variant: '' };
}

/** "linux/arm64", "linux/arm/v7", "arm64". @throws EngineError invalidArgument in Docker's words */
export function parsePlatformName(text: string): Platform {
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3 || !parts.every((part) => /^[\w.-]+$/.test(part))) {
    throw new EngineError('invalidArgument', `"${text}": invalid platform`);
  }
  const [first = '', second, third] = parts;
  const isOs = ['linux', 'windows', 'freebsd', 'darwin'].includes(first);
  const name = second ?? (isOs ? hostArchitecture() : first);
  const [architecture, variant] = ALIASES.get(name) ?? [name, ''];
  return { os: isOs || second !== undefined ? first : 'linux', architecture, variant: third ?? variant };
}

/** "linux/arm/v7" */
export function platformName({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === '' ? [] : [variant])].join('/');
}

/**
 * The entry of an index for a platform: the very variant where one is named; else the plain one before the newer ones.
 * @throws EngineError notFound in Docker's words
 */
export function choosePlatform(entries: readonly IndexEntry[], wanted: Platform): IndexEntry {
  const fitting = entries.filter(
    ({ platform }) => platform?.os === wanted.os && platform.architecture === wanted.architecture,
  );
  const base = BASE_VARIANT.get(wanted.architecture) ?? '';
  const variant = (platform: Platform | undefined) => platform?.variant || base;
  const chosen =
    fitting.find(({ platform }) => variant(platform) === (wanted.variant || base)) ??
    (wanted.variant === '' ? fitting[0] : undefined);
  if (chosen !== undefined) return chosen;
  throw new EngineError('notFound', `no matching manifest for ${platformName(wanted)} in the manifest list entries`);
}
