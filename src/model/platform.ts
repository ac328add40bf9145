import { EngineError } from './errors.ts';
import type { Platform } from './registry.ts';

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
export const BASE_VARIANT: ReadonlyMap<string, string> = new Map([
  ['amd64', 'v1'],
  ['arm', 'v7'],
  ['arm64', 'v8'],
]);
const WORD = /^[\w.-]+$/;
/** What a single word may be: Go knows these (containerd/platforms, database.go). */
const SYSTEMS = new Set(
  `aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos`.split(
    ' ',
  ),
);
const ARCHITECTURES = new Set(
  `386 amd64 amd64p32 arm armbe arm64 arm64be ppc64 ppc64le loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le ppc riscv
   riscv64 s390 s390x sparc sparc64 wasm`.split(/\s+/),
);

/** This machine's architecture as in an image's platform: "amd64". */
export function hostArchitecture(): string {
  return NODE_NAMES[process.arch] ?? process.arch;
}

export function hostPlatform(): Platform {
  return { os: 'linux', architecture: hostArchitecture(), variant: '' };
}

/**
 * "linux/arm64", "linux/arm/v7", "arm64".
 * @throws EngineError invalidArgument in Docker's words (containerd/platforms, platforms.go)
 */
export function parsePlatformName(text: string): Platform {
  const parts = text.toLowerCase().split('/');
  if (!WORD.test(parts[0] ?? '')) throw invalid(`"${parts[0]}" is an invalid OS component of "${text}"`);
  const bad = parts.find((part) => !WORD.test(part));
  if (bad !== undefined) throw invalid(`"${bad}" is an invalid component of "${text}"`);
  const [first = '', second, third, ...more] = parts;
  if (more.length > 0) throw invalid(`"${text}": cannot parse platform specifier`);
  const os = first === 'macos' ? 'darwin' : first;
  const isOs = SYSTEMS.has(os);
  const name = second ?? (isOs ? hostArchitecture() : first);
  const [architecture, variant] = ALIASES.get(name) ?? [name, ''];
  if (second === undefined && !isOs && !ARCHITECTURES.has(architecture)) {
    throw invalid(`"${text}": unknown operating system or architecture`);
  }
  return { os: isOs || second !== undefined ? os : 'linux', architecture, variant: third ?? variant };
}

/** "linux/arm/v7" */
export function platformName({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === '' ? [] : [variant])].join('/');
}

/** Whether what was made for one is what was asked for: any variant where none was. */
export function isPlatform(made: Platform, asked: Platform): boolean {
  return isMachine(made, asked) && (asked.variant === '' || generation(made) === generation(asked));
}

/** Whether what was made for one runs on what was asked for: variants of a machine take what was made for older ones. */
export function fitsPlatform(made: Platform, asked: Platform): boolean {
  return isMachine(made, asked) && (asked.variant === '' || generation(made) <= generation(asked));
}

function isMachine(one: Platform, other: Platform): boolean {
  return one.os === other.os && one.architecture === other.architecture;
}

/** 7 of "v7"; of the usual variant where none is told */
export function generation({ architecture, variant }: Platform): number {
  const text = variant || (BASE_VARIANT.get(architecture) ?? '');
  return Number.parseFloat(text.replace(/^v/, '')) || 0;
}

function invalid(message: string): EngineError {
  return new EngineError('invalidArgument', `${message}: invalid argument`);
}
