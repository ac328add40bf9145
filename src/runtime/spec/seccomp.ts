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
 * A profile a user brought (`--security-opt seccomp=FILE`; the CLI sends the file's text). runc checks names and actions.
 * @throws EngineError invalidArgument when it is no JSON object with a list of rules
 */
export function parseProfile(text: string): SeccompProfile {
  const refuse = (why: string) => new EngineError('invalidArgument', `Decoding seccomp profile failed: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw refuse('invalid JSON');
  }
  if (!isObject(value) || typeof value['defaultAction'] !== 'string') throw refuse('no defaultAction');
  const rules = value['syscalls'] ?? [];
  if (!Array.isArray(rules)) throw refuse('syscalls is no list');
  const syscalls = rules.map((rule: unknown) => {
    if (!isObject(rule) || typeof rule['action'] !== 'string') throw refuse('a rule has no action');
    const names = rule['names'] ?? [rule['name']];
    if (!Array.isArray(names) || !names.every((name) => typeof name === 'string')) throw refuse('a rule has no names');
    return { ...rule, names } as unknown as SeccompProfileRule;
  });
  return { ...value, syscalls } as unknown as SeccompProfile;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
