import {
  type BuildOutput,
  type BuildRequest,
  CACHE_FROM_NOTE,
  COMMAND_LIMITS,
  CPU_LIST,
  CPU_SETS,
} from '../engine/builds.ts';
import { isIpAddress } from '../model/address.ts';
import type { NetworkMode } from '../model/container.ts';
import { EngineError } from '../model/errors.ts';
import type { Attributes } from './protos/control.ts';

/** What a frontend is asked for, beside what the engine's request has. */
export interface FrontendOptions {
  readonly request: Omit<BuildRequest, 'output'>;
  readonly output: BuildOutput['kind'];
  /** The context, with the Dockerfile in it, is a tar that the client has on its standard input; undefined: folders of its */
  readonly upload: URL | undefined;
  /** Names of the client's folders in its session */
  readonly dockerfileFolder: string;
  /** What names in the Dockerfile stand for; folders with their name in the session */
  readonly contexts: ReadonlyMap<string, ContextOption>;
  /** Sessions by folder, where it is not the request's own */
  readonly sessions: ReadonlyMap<string, string>;
  /** Said before anything is done */
  readonly warnings: readonly string[];
}

export type ContextOption =
  | { readonly kind: 'image'; readonly reference: string }
  | { readonly kind: 'folder'; readonly folder: string }
  /** Of another build */
  | { readonly kind: 'result'; readonly input: string };

/** What changes nothing here. `vcs:` is for attestations, `attest:` asks for them: dockerd's own store keeps none either. */
const IGNORED =
  /^(vcs:|sharedkey:|frontend\.caps$|attest:provenance$|attest:sbom$|contextkey$|source$|cmdline$|input-metadata:)/;

/** The host of addresses that mean the client itself (buildkit, session/upload). */
const UPLOADS = 'buildkit-session';

/** How options are called by whoever has given them. */
const REFUSED: readonly (readonly [RegExp, string])[] = [
  [/^input:|^contextsubdir$/, 'a remote build context'],
  [/^requestid$/, '--check, or another --call,'],
  [/^cgroup-parent$/, '--cgroup-parent'],
  [/^hostname$/, 'BUILDKIT_SANDBOX_HOSTNAME'],
];

/** buildah's flags by BuildKit's names; numbers are bytes, shares and microseconds. */
const LIMITS: Readonly<Record<string, string>> = { 'shm-size': 'shm-size', ...COMMAND_LIMITS };

export interface Circumstances {
  /** What becomes of the image */
  readonly exporters: readonly Attributes[];
  /** Where the cache is to go */
  readonly cache: readonly Attributes[];
  /** This machine's: "linux/amd64" */
  readonly platform: string;
}

/**
 * The options of frontend "dockerfile.v0" (buildkit, frontend/dockerui).
 * @throws EngineError for what is malformed or not supported, naming it as the client's user has
 */
export function parseOptions(
  options: Readonly<Record<string, string>>,
  { exporters, cache, platform }: Circumstances,
): FrontendOptions {
  const rest = new Map(Object.entries(options));
  const take = (name: string) => {
    const value = rest.get(name) ?? '';
    rest.delete(name);
    return value;
  };
  const prefixed = (prefix: string) => {
    const found = [...rest].filter(([name]) => name.startsWith(prefix));
    for (const [name] of found) rest.delete(name);
    return Object.fromEntries(found.map(([name, value]) => [name.slice(prefix.length), value]));
  };
  const flags = [...limits(take), ...csv(take('ulimit')).map((limit) => `--ulimit=${ulimit(limit)}`)];
  const exported = parseExporters(exporters);
  const request = {
    tags: exported.names,
    dockerfile: take('filename') || 'Dockerfile',
    arguments: prefixed('build-arg:'),
    labels: prefixed('label:'),
    target: take('target'),
    useCache: !refuseStages(rest.get('no-cache')),
    skipUnused: true,
    pull: take('image-resolve-mode') === 'pull',
    networkMode: networkMode(take('force-network-mode')),
    extraHosts: csv(take('add-hosts')).map(extraHost),
    flags,
  };
  rest.delete('no-cache');
  // Newer clients name the frontend themselves.
  const syntax = request.arguments['BUILDKIT_SYNTAX'];
  if (syntax !== undefined) refuseOtherFrontend(syntax.split(' ')[0] ?? '');
  refusePlatforms(take('platform'), take('multi-platform'), platform);
  const warnings = cacheWarnings([take('cache-imports'), take('cache-from')], cache);
  const sessions = new Map(Object.entries(prefixed('local-sessionid:')));
  const dockerfileFolder = take('dockerfilekey') || 'dockerfile';
  const upload = uploadOf(take('context'));
  const contexts = new Map(Object.entries(prefixed('context:')).map(([name, value]) => [name, contextOf(name, value)]));
  refuseRest([...rest.keys()]);
  return { contexts, request, output: exported.output, upload, dockerfileFolder, sessions, warnings };
}

function contextOf(name: string, value: string): ContextOption {
  const [, kind, rest = ''] = /^(local:|docker-image:\/\/|input:)(.+)$/.exec(value) ?? [];
  if (kind === undefined || /[^\w./:@-]/.test(name)) throw unsupported(`--build-context ${name}=${value}`);
  if (kind === 'input:') return { kind: 'result', input: rest };
  return kind === 'local:' ? { kind: 'folder', folder: rest } : { kind: 'image', reference: rest };
}

/** @throws EngineError for a context that is elsewhere */
function uploadOf(context: string): URL | undefined {
  if (context === '') return undefined;
  const url = URL.parse(context);
  if (url?.host !== UPLOADS) throw unsupported('a remote build context');
  return url;
}

/** Of an exporter: what the client itself heeds, and what is as it is anyway. */
const HARMLESS = /^(name|push|unpack|store|dest|mode|context|oci-artifact|prefer-image-digest|registry\.insecure)$/;

const OUTPUTS: ReadonlyMap<string, BuildOutput['kind']> = new Map([
  ['moby', 'image'],
  ['image', 'image'],
  ['docker', 'image'],
  ['local', 'folder'],
  ['tar', 'tar'],
  ['cacheonly', 'nothing'],
]);

/** @param more there are further ones @throws EngineError for what no exporter here makes */
export function outputOfType(type: string, more: boolean): BuildOutput['kind'] {
  const output = OUTPUTS.get(type);
  if (more) throw unsupported('more than one --output');
  if (output === undefined) throw unsupported(`--output type=${type}`);
  return output;
}

function parseExporters(exporters: readonly Attributes[]): {
  readonly output: BuildOutput['kind'];
  readonly names: readonly string[];
} {
  const [exporter] = exporters;
  if (exporter === undefined) return { output: 'nothing', names: [] };
  const { type, attributes } = exporter;
  const output = outputOfType(type, exporters.length > 1);
  for (const key of Object.keys(attributes)) if (!HARMLESS.test(key)) throw unsupported(`--output with ${key}`);
  // Clients push by themselves what is asked of "moby".
  if (type !== 'moby' && attributes['push'] === 'true') throw unsupported('--push by this exporter');
  return { output, names: output === 'image' ? csv(attributes['name'] ?? '') : [] };
}

function networkMode(text: string): NetworkMode {
  if (text === '' || text === 'sandbox' || text === 'default') return { kind: 'network', name: 'bridge' };
  if (text === 'none' || text === 'host') return { kind: text };
  throw invalid(`invalid netmode ${text}`);
}

function extraHost(text: string): string {
  const [host = '', address = ''] = text.split('=');
  if (host === '' || !isIpAddress(address)) throw invalid(`invalid IP address in add-host: "${text}"`);
  return `${host}:${address}`;
}

function ulimit(text: string): string {
  if (!/^[a-z]+=-?\d{1,15}(:-?\d{1,15})?$/.test(text)) throw invalid(`invalid ulimit: ${text}`);
  return text;
}

function* limits(take: (name: string) => string): Generator<string> {
  for (const [name, flag] of Object.entries(LIMITS)) {
    const value = take(name);
    if (value === '') continue;
    if (!/^-?\d{1,15}$/.test(value)) throw invalid(`invalid ${name} value: ${value}`);
    yield `--${flag}=${value}`;
  }
  for (const [name, flag] of Object.entries(CPU_SETS)) {
    const value = take(name);
    if (value === '') continue;
    if (!CPU_LIST.test(value)) throw invalid(`invalid ${name} value: ${value}`);
    yield `--${flag}=${value}`;
  }
}

/** '' is all stages. @returns whether there is to be no cache */
function refuseStages(value: string | undefined): boolean {
  if (value !== undefined && value !== '') throw unsupported('--no-cache-filter');
  return value === '';
}

function refusePlatforms(asked: string, several: string, platform: string): void {
  if (asked !== '' && asked !== platform) throw unsupported(`--platform ${asked} (this host runs ${platform})`);
  if (several !== '' && several !== 'false' && several !== '0') throw unsupported('an image for several platforms');
}

function cacheWarnings(imports: readonly string[], exports: readonly Attributes[]): string[] {
  const warnings: string[] = [];
  if (imports.some((text) => text !== '')) {
    warnings.push(CACHE_FROM_NOTE);
  }
  for (const { type } of exports) {
    if (type !== 'inline') throw unsupported(`--cache-to type=${type}`);
    warnings.push('--cache-to type=inline has no effect: images hold no cache for others');
  }
  return warnings;
}

function refuseRest(names: readonly string[]): void {
  for (const name of names) {
    if (IGNORED.test(name)) continue;
    throw unsupported(REFUSED.find(([pattern]) => pattern.test(name))?.[1] ?? `the option ${name}`);
  }
}

/** "docker/dockerfile:1" means what is built in here. @throws EngineError for any other frontend */
export function refuseOtherFrontend(image: string): void {
  if (/^(docker\.io\/)?docker\/dockerfile(-upstream)?(:[\w.-]+)?(@sha256:[0-9a-f]+)?$/.test(image)) return;
  throw unsupported(`the frontend ${image}`);
}

function csv(text: string): string[] {
  return text.split(',').filter((part) => part !== '');
}

export function unsupported(what: string): EngineError {
  return new EngineError('unsupported', `${what} is not supported by Fairway yet`);
}

function invalid(message: string): EngineError {
  return new EngineError('invalidArgument', message);
}
