import { EngineError } from '../../model/errors.ts';
import type { OciSeccomp, OciSeccompArgument, OciSeccompRule } from './oci.ts';

/** When a rule holds: with all of caps, one of arches, and the kernel. As `excludes`, each of these alone rules it out. */
interface SeccompCondition {
  readonly caps?: readonly string[];
  /** Go's names: amd64, arm64, x86, arm */
  readonly arches?: readonly string[];
  /** "4.8" */
  readonly minKernel?: string;
}

export interface SeccompProfileRule {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly OciSeccompArgument[];
  readonly includes?: SeccompCondition;
  readonly excludes?: SeccompCondition;
}

/** Docker's profile format (docs.docker.com/engine/security/seccomp), which Podman's containers-common shares. */
export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  /** Either this */
  readonly archMap?: readonly { readonly architecture: string; readonly subArchitectures?: readonly string[] | null }[];
  /** or that */
  readonly architectures?: readonly string[];
  readonly syscalls: readonly SeccompProfileRule[];
}

/** What decides which rules of a profile hold. */
export interface SeccompContext {
  readonly capabilities: readonly string[];
  readonly architecture: 'amd64' | 'arm64';
  /** The kernel's version: [6, 18] */
  readonly kernel: readonly [number, number];
  /** The kernel runs programs of the 32-bit sister architecture */
  readonly runs32Bit: boolean;
}

const NATIVE = { amd64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' } as const;

/**
 * The profile as runc takes it. Rules without arguments are merged by what they do. runc's time goes by names times
 * architectures (about 4 ms for 360 names), so 32-bit programs are only cared for where the kernel runs them.
 */
export function resolveProfile(profile: SeccompProfile, context: SeccompContext): OciSeccomp {
  const rules = profile.syscalls.filter((rule) => applies(rule, context));
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: architectures(profile, context),
    syscalls: [...merge(rules.filter((rule) => !hasArguments(rule))), ...rules.filter(hasArguments).map(ociRule)],
  };
}

function architectures(profile: SeccompProfile, context: SeccompContext): readonly string[] {
  const native = NATIVE[context.architecture];
  const entry = profile.archMap?.find((candidate) => candidate.architecture === native);
  if (entry === undefined) return profile.architectures ?? [native];
  return context.runs32Bit ? [native, ...(entry.subArchitectures ?? [])] : [native];
}

function applies(rule: SeccompProfileRule, context: SeccompContext): boolean {
  const { includes = {}, excludes = {} } = rule;
  const arches = context.runs32Bit ? SISTERS[context.architecture] : [context.architecture];
  if (includes.caps?.some((name) => !context.capabilities.includes(name)) === true) return false;
  if (includes.arches?.length && !includes.arches.some((name) => arches.includes(name))) return false;
  if (includes.minKernel !== undefined && !isAtLeast(context.kernel, includes.minKernel)) return false;
  if (excludes.caps?.some((name) => context.capabilities.includes(name)) === true) return false;
  if (excludes.arches?.some((name) => arches.includes(name)) === true) return false;
  return excludes.minKernel === undefined || !isAtLeast(context.kernel, excludes.minKernel);
}

const SISTERS: Readonly<Record<SeccompContext['architecture'], readonly string[]>> = {
  amd64: ['amd64', 'x86'],
  arm64: ['arm64', 'arm'],
};

function isAtLeast([major, minor]: readonly [number, number], version: string): boolean {
  const [wantedMajor = 0, wantedMinor = 0] = version.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function hasArguments(rule: SeccompProfileRule): boolean {
  return (rule.args?.length ?? 0) > 0;
}

function merge(rules: readonly SeccompProfileRule[]): OciSeccompRule[] {
  const byEffect = Map.groupBy(rules, (rule) => `${rule.action} ${rule.errnoRet ?? ''}`);
  return [...byEffect.values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined) return [];
    const names = new Set(same.flatMap((rule) => rule.names));
    return [ociRule({ ...first, names: [...names] })];
  });
}

function ociRule({ names, action, errnoRet, args }: SeccompProfileRule): OciSeccompRule {
  return {
    names,
    action,
    ...(errnoRet === undefined ? {} : { errnoRet }),
    ...(args === undefined || args.length === 0 ? {} : { args }),
  };
}

/**
 * A profile a user brought (`--security-opt seccomp=FILE`; the CLI sends the file's text). What is null is left out, as Go
 * reads it; runc checks names and actions. @throws EngineError invalidArgument for anything that is not of the format
 */
export function parseProfile(text: string): SeccompProfile {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refusal('invalid JSON');
  }
  if (!isObject(value) || typeof value['defaultAction'] !== 'string') throw refusal('no defaultAction');
  const { defaultAction, defaultErrnoRet, archMap, architectures, syscalls } = value;
  return {
    defaultAction,
    ...defined({
      defaultErrnoRet: number('defaultErrnoRet', defaultErrnoRet),
      archMap: list('archMap', archMap)?.map(readArchitecture),
      architectures: strings('architectures', architectures),
    }),
    syscalls: list('syscalls', syscalls)?.map(readRule) ?? [],
  };
}

function readArchitecture(value: unknown) {
  if (!isObject(value) || typeof value['architecture'] !== 'string') throw refusal('archMap has no architecture');
  const subArchitectures = strings('subArchitectures', value['subArchitectures']);
  return { architecture: value['architecture'], ...defined({ subArchitectures }) };
}

function readRule(rule: unknown): SeccompProfileRule {
  if (!isObject(rule) || typeof rule['action'] !== 'string') throw refusal('a rule has no action');
  const names = strings('names', rule['names'] ?? [rule['name']]);
  if (names === undefined) throw refusal('a rule has no names');
  return {
    names,
    action: rule['action'],
    ...defined({
      errnoRet: number('errnoRet', rule['errnoRet']),
      args: list('args', rule['args'])?.map(readArgument),
      includes: readCondition('includes', rule['includes']),
      excludes: readCondition('excludes', rule['excludes']),
    }),
  };
}

function readArgument(value: unknown): OciSeccompArgument {
  const { index, value: first, valueTwo, op } = isObject(value) ? value : {};
  if (typeof index !== 'number' || typeof op !== 'string') throw refusal('an argument has no index or no op');
  return {
    index,
    op,
    value: number('value', first) ?? 0,
    ...defined({ valueTwo: number('valueTwo', valueTwo) }),
  };
}

function readCondition(name: string, value: unknown): SeccompCondition | undefined {
  if (isMissing(value)) return undefined;
  if (!isObject(value)) throw refusal(`${name} is no object`);
  const { minKernel } = value;
  if (!isMissing(minKernel) && typeof minKernel !== 'string') throw refusal('minKernel is no string');
  return defined({
    caps: strings('caps', value['caps']),
    arches: strings('arches', value['arches']),
    minKernel: minKernel ?? undefined,
  });
}

function list(name: string, value: unknown): readonly unknown[] | undefined {
  if (isMissing(value)) return undefined;
  if (Array.isArray(value)) return value;
  throw refusal(`${name} is no list`);
}

function strings(name: string, value: unknown): readonly string[] | undefined {
  const texts = list(name, value);
  if (texts === undefined || texts.every((text) => typeof text === 'string')) return texts;
  throw refusal(`${name} is no list of strings`);
}

function number(name: string, value: unknown): number | undefined {
  if (isMissing(value)) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw refusal(`${name} is no number of 0 or more`);
}

/** Without the fields that are not there. */
function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const there = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(there) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

function isMissing(value: unknown): value is null | undefined {
  return value === null || value === undefined;
}

function refusal(why: string): EngineError {
  return new EngineError('invalidArgument', `Decoding seccomp profile failed: ${why}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
