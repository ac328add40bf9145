import { posix } from 'node:path';
import type { BindMount } from '../../model/container.ts';
import { invalid, unsupportedOption } from '../status.ts';
import type { Fields } from './fields.ts';

/** What nobody asks for is private to the container, with everything below the source. */
const DEFAULT_PROPAGATION = 'rprivate';
const PROPAGATIONS: readonly string[] = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
/** Consistency is Docker Desktop's concern; z and Z relabel for SELinux, which Fairway's hosts do not run. */
const INDIFFERENT: readonly string[] = ['z', 'Z', 'consistent', 'cached', 'delegated', 'default'];

/** Binds and Mounts together. @throws EngineError invalidArgument with Docker's words (moby: volume/mounts) */
export function parseMounts(binds: readonly string[], mounts: readonly Fields[]): BindMount[] {
  const all = [...binds.map(parseBind), ...mounts.map(parseMount)];
  const seen = new Set<string>();
  for (const { destination } of all) {
    if (seen.has(destination)) throw invalid(`Duplicate mount point: ${destination}`);
    seen.add(destination);
  }
  return all;
}

/** "source:destination[:modes]", the form of `docker run -v`. */
function parseBind(text: string): BindMount {
  const specification = (why = '') => invalid(`invalid volume specification: '${text}'${why}`);
  const [source = '', destination, mode = '', ...more] = text.split(':');
  if (source === '' || more.length > 0) throw specification();
  if (destination === undefined) throw unsupportedOption('an anonymous volume');
  if (text.split(':').length === 2 && isMode(destination)) throw specification();
  const parsed = parseMode(mode);
  if (!source.startsWith('/')) throw refuseNamedVolume(source);
  const why = wrongDestination(destination);
  if (why !== undefined) throw specification(`: ${why}`);
  return { source: clean(source), destination: clean(destination), ...parsed, createSource: true };
}

/** An entry of HostConfig.Mounts, the form of `docker run --mount`. */
function parseMount(fields: Fields): BindMount {
  const type = fields.text('Type');
  refuseType(type);
  const source = fields.text('Source');
  const destination = fields.text('Target');
  const readOnly = fields.flag('ReadOnly');
  const options = fields.child('BindOptions');
  fields.allow('Consistency', ...INDIFFERENT);
  const propagation = options.text('Propagation') || DEFAULT_PROPAGATION;
  const createSource = options.flag('CreateMountpoint');
  fields.close();
  options.close();
  const wrong = (why: string) => invalid(`invalid mount config for type "bind": ${why}`);
  if (destination === '') throw wrong('field Target must not be empty');
  if (source === '') throw wrong('field Source must not be empty');
  if (!source.startsWith('/')) throw wrong(`invalid mount path: '${source}' mount path must be absolute`);
  if (!PROPAGATIONS.includes(propagation)) throw wrong(`invalid propagation mode: ${propagation}`);
  const why = wrongDestination(destination);
  if (why !== undefined) throw invalid(why);
  return { source: clean(source), destination: clean(destination), readOnly, propagation, createSource };
}

/** @throws EngineError invalidArgument unless it is a bind mount */
function refuseType(type: string): void {
  if (type === 'bind') return;
  if (type === 'volume') throw invalid('named volumes are not supported by Fairway yet: use a bind mount');
  if (['tmpfs', 'npipe', 'cluster', 'image'].includes(type)) {
    throw unsupportedOption(`a mount of type ${type}`);
  }
  throw invalid(`invalid mount config for type "${type}": mount type unknown`);
}

/** A relative path reads as a volume's name: Docker's words tell the two apart. */
function refuseNamedVolume(name: string): Error {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
    return invalid(`named volumes are not supported by Fairway yet: "${name}". Use an absolute path of the host`);
  }
  return invalid(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}

/** Why a container cannot have something mounted there; undefined when it can. */
function wrongDestination(path: string): string | undefined {
  if (!path.startsWith('/')) {
    return `invalid mount config for type "bind": invalid mount path: '${path}' mount path must be absolute`;
  }
  if (clean(path) === '/')
    return `invalid mount config for type "bind": invalid specification: destination can't be '/'`;
  return undefined;
}

/** The third part of a bind: "ro,rslave". Each word once, one propagation at most. */
function parseMode(mode: string): Pick<BindMount, 'readOnly' | 'propagation'> {
  const words = mode === '' ? [] : mode.split(',');
  const propagations = words.filter((word) => PROPAGATIONS.includes(word));
  if (!isMode(mode) || propagations.length > 1 || new Set(words).size < words.length) {
    throw invalid(`invalid mode: ${mode}`);
  }
  return { readOnly: words.includes('ro'), propagation: propagations[0] ?? DEFAULT_PROPAGATION };
}

/** "/a:ro" is no bind to a relative path but a mistake, so destinations are asked, too. */
function isMode(text: string): boolean {
  if (text === '') return true;
  const words = text.split(',');
  if (words.includes('ro') && words.includes('rw')) return false;
  return words.every((word) => ['ro', 'rw', ...PROPAGATIONS, ...INDIFFERENT].includes(word));
}

/** Without doubled or trailing slashes, dots resolved: equal places are equal texts. */
function clean(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}
