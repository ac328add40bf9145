import type { IncomingHttpHeaders } from 'node:http';
import { type BuildRequest, CACHE_FROM_NOTE, COMMAND_LIMITS, CPU_LIST, CPU_SETS } from '../../engine/builds.ts';
import type { RegistryAuth } from '../../model/registry.ts';
import { invalid, unsupportedOption } from '../status.ts';
import { Fields } from './fields.ts';
import { parseExtraHost } from './hostconfig.ts';
import { parseNetworkMode } from './mode.ts';
import { requireOwnPlatform } from './platform.ts';
import { queryFlag, queryText } from './query.ts';
import { parseRegistryConfig } from './registry-auth.ts';

/** buildah's flags by the query's names; values are numbers that buildah takes as they are: bytes, shares, microseconds. */
const LIMITS: Readonly<Record<string, string>> = { ...COMMAND_LIMITS, shmsize: 'shm-size' };

/** What is set to this, or not at all, asks for what happens anyway. */
const UNSUPPORTED: Readonly<Record<string, { readonly flag: string; readonly allowed?: string }>> = {
  cgroupparent: { flag: '--cgroup-parent' },
  isolation: { flag: '--isolation', allowed: 'default' },
};

export interface ClassicRequest extends BuildRequest {
  /** By registry: "registry.example:5000"; Docker Hub by the address of its first API */
  readonly auths: ReadonlyMap<string, RegistryAuth>;
}

/** What a client of BuildKit's says beside it, when it is one of Docker 20.10's time: its progress comes in the answer. */
export interface SessionRequest {
  readonly request: ClassicRequest;
  readonly session: string;
  /** By which the build may be cancelled, and finds its context; '': by nothing */
  readonly buildId: string;
  /** Whether the context comes by the session, with this request, or by one of its own */
  readonly context: 'session' | 'request' | 'upload';
  /** As `--output` names it */
  readonly outputs: readonly string[];
}

const CONTEXTS: ReadonlyMap<string | undefined, SessionRequest['context']> = new Map([
  ['client-session', 'session'],
  ['upload-request', 'upload'],
  [undefined, 'request'],
]);

/** Whether it asks for BuildKit. */
export function asksForBuildKit(query: URLSearchParams): boolean {
  return query.get('version') === '2';
}

/** The id of a build whose context is in this request's body; undefined: it is no such request. */
export function uploadFor(query: URLSearchParams): string | undefined {
  return /^upload-request:(.+)$/.exec(query.get('buildid') ?? '')?.[1];
}

/**
 * POST /build with version=2.
 * @throws EngineError as parseBuild
 */
export function parseSessionBuild(query: URLSearchParams, headers: IncomingHttpHeaders): SessionRequest {
  const context = CONTEXTS.get(queryText(query, 'remote'));
  if (context === undefined) throw unsupportedOption('a remote build context');
  const outputs = list(query, 'outputs').map((item) => {
    const fields = new Fields(item, 'Outputs');
    const type = fields.text('Type');
    fields.ignore('Attrs');
    fields.close();
    return type;
  });
  return {
    request: { ...parse(query, headers), skipUnused: true },
    session: query.get('session') ?? '',
    buildId: query.get('buildid') ?? '',
    context,
    outputs,
  };
}

/**
 * POST /build, the classic builder's.
 * @throws EngineError invalidArgument for what is malformed, and for options Fairway does not know, naming them
 */
export function parseBuild(query: URLSearchParams, headers: IncomingHttpHeaders): ClassicRequest {
  if (queryText(query, 'remote') !== undefined) throw unsupportedOption('a remote build context');
  if (list(query, 'outputs').length > 0) throw unsupportedOption('--output');
  return parse(query, headers);
}

function parse(query: URLSearchParams, headers: IncomingHttpHeaders): ClassicRequest {
  refuse(query);
  return {
    tags: query.getAll('t').filter((tag) => tag !== ''),
    dockerfile: queryText(query, 'dockerfile') ?? 'Dockerfile',
    arguments: stringMap(query, 'buildargs'),
    labels: stringMap(query, 'labels'),
    target: query.get('target') ?? '',
    useCache: !queryFlag(query, 'nocache'),
    skipUnused: false,
    output: { kind: 'image' },
    pull: queryFlag(query, 'pull'),
    auths: parseRegistryConfig(headers),
    networkMode: parseNetworkMode(query.get('networkmode') ?? ''),
    extraHosts: query.getAll('extrahosts').map(parseExtraHost),
    flags: [...limits(query), ...ulimits(query)],
  };
}

/** What is to be said before the first step; '': nothing. */
export function noteOnCache(query: URLSearchParams): string {
  if (list(query, 'cachefrom').length === 0) return '';
  return CACHE_FROM_NOTE;
}

function refuse(query: URLSearchParams): void {
  for (const [name, { flag, allowed }] of Object.entries(UNSUPPORTED)) {
    const value = queryText(query, name);
    if (value !== undefined && value !== allowed && value !== '[]') throw unsupportedOption(flag);
  }
  if (queryFlag(query, 'squash')) throw invalid('squash is only supported with experimental mode');
  if (query.getAll('securityopt').some((option) => option !== '' && option !== '[]' && option !== 'null')) {
    throw invalid('The daemon on this platform does not support setting security options on build');
  }
  requireOwnPlatform(queryText(query, 'platform'));
}

function* limits(query: URLSearchParams): Generator<string> {
  for (const [name, flag] of Object.entries(LIMITS)) {
    const value = number(query, name);
    if (value !== 0) yield `--${flag}=${value}`;
  }
  for (const [name, flag] of Object.entries(CPU_SETS)) {
    const value = queryText(query, name);
    if (value === undefined) continue;
    if (!CPU_LIST.test(value)) throw invalid(`Invalid value ${value} for ${flag.replace('-', ' ')}`);
    yield `--${flag}=${value}`;
  }
}

/** Docker reads no number as 0, which is no limit. */
function number(query: URLSearchParams, name: string): number {
  const value = query.get(name) ?? '';
  if (value === '') return 0;
  const parsed = /^-?\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (Number.isNaN(parsed)) throw invalid(`invalid value for ${name}: parsing "${value}": invalid syntax`);
  return parsed;
}

function ulimits(query: URLSearchParams): string[] {
  return list(query, 'ulimits').map((item) => {
    const fields = new Fields(item, 'Ulimits');
    const name = fields.text('Name');
    if (!/^[a-z]+$/.test(name)) throw invalid(`invalid ulimit type: ${name}`);
    const soft = fields.integer('Soft') ?? 0;
    const flag = `--ulimit=${name}=${soft}:${fields.integer('Hard') ?? soft}`;
    fields.close();
    return flag;
  });
}

function list(query: URLSearchParams, name: string): readonly unknown[] {
  const value = json(query, name) ?? [];
  if (!Array.isArray(value)) throw invalid(`invalid ${name}: it must be a list`);
  return value;
}

/** What is null was named without a value: it is not set. */
function stringMap(query: URLSearchParams, name: string): Record<string, string> {
  const fields = new Fields({ [name]: json(query, name) }, '');
  return Object.fromEntries(
    fields.entries(name).flatMap(([key, value]) => {
      if (value === null) return [];
      if (typeof value !== 'string') throw invalid(`invalid ${name}: ${key} must be a string`);
      return [[key, value]];
    }),
  );
}

function json(query: URLSearchParams, name: string): unknown {
  const text = queryText(query, name);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`error reading ${name}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
