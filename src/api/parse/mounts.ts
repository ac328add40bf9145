import { posix } from 'node:path';
import type { BindMount, Mount, TmpfsMount, VolumeMount } from '../../model/mount.ts';
import { invalid, unsupportedOption } from '../status.ts';
import type { Fields } from './fields.ts';
import { parseTmpfsMount, tmpfsOptions } from './tmpfs.ts';
import { checkVolumeName, parseDriverConfig } from './volume.ts';

/** What nobody asks for is private to the container, with everything below the source. */
const PROPAGATIONS: readonly string[] = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
/** Consistency is Docker Desktop's concern; z and Z relabel for SELinux, which Fairway's hosts do not run. */
const INDIFFERENT: readonly string[] = ['z', 'Z', 'consistent', 'cached', 'delegated', 'default'];
const NO_COPY = 'nocopy';

/** Everything of a HostConfig that mounts something. */
export interface MountFields {
  readonly binds: readonly string[];
  readonly mounts: readonly Fields[];
  /** Options by destination */
  readonly tmpfs: Readonly<Record<string, string>>;
}

/** @throws EngineError invalidArgument with Docker's words (moby: volume/mounts) */
export function parseMounts({ binds, mounts, tmpfs }: MountFields): Mount[] {
  const all = [
    ...binds.map(parseBind),
    ...mounts.map(parseMount),
    ...Object.entries(tmpfs).map(([path, options]) => parseTmpfs(path, options)),
  ];
  const seen = new Set<string>();
  for (const { destination } of all) {
    if (seen.has(destination)) throw invalid(`Duplicate mount point: ${destination}`);
    seen.add(destination);
  }
  return all;
}

/** Destinations of anonymous volumes: the keys of Config.Volumes. */
export function parseVolumePaths(entries: readonly (readonly [string, unknown])[]): string[] {
  return [...new Set(entries.map(([path]) => checkDestination('volume', path)))];
}

/** "[source:]destination[:modes]", the form of `docker run -v`. */
function parseBind(text: string): Mount {
  const specification = (why = '') => invalid(`invalid volume specification: '${text}'${why}`);
  const parts = text.split(':');
  const [first = '', second, mode = '', ...more] = parts;
  if (first === '' || more.length > 0) throw specification();
  const alone = second === undefined;
  if (!alone && parts.length === 2 && isMode(second)) throw specification();
  const words = parseMode(mode);
  const source = alone ? '' : first;
  const type = source.startsWith('/') ? 'bind' : 'volume';
  try {
    const place = { destination: checkDestination(type, second ?? first), readOnly: words.readOnly, mode };
    return type === 'bind' ? bindOf(source, place, words) : volumeOf(source, place, words);
  } catch (error) {
    throw error instanceof Error && !error.message.startsWith('create ') ? specification(`: ${error.message}`) : error;
  }
}

type Place = Pick<Mount, 'destination' | 'readOnly' | 'mode'>;
type Words = ReturnType<typeof parseMode>;

function bindOf(source: string, place: Place, { propagation, noCopy }: Words): BindMount {
  if (noCopy) throw wrong('bind', 'field VolumeOptions must not be specified');
  const how = { propagation: propagation ?? '', createSource: true, recursive: true };
  return { type: 'bind', origin: 'binds', source: cleanPath(source), ...place, ...how };
}

function volumeOf(name: string, place: Place, { propagation, noCopy }: Words): VolumeMount {
  if (propagation !== undefined) throw wrong('volume', 'field BindOptions must not be specified');
  if (name !== '') checkVolumeName(name);
  const nothing = { subpath: '', driverOptions: {}, labels: {} };
  return { type: 'volume', origin: 'binds', name, anonymous: name === '', ...place, copy: !noCopy, ...nothing };
}

/** An entry of HostConfig.Mounts, the form of `docker run --mount`. */
function parseMount(fields: Fields): Mount {
  const type = fields.text('Type');
  fields.allow('Consistency', ...INDIFFERENT);
  const mount = parseTyped(type, fields);
  fields.close();
  return mount;
}

function parseTyped(type: string, fields: Fields): Mount {
  if (type === 'npipe' || type === 'cluster' || type === 'image') throw unsupportedOption(`a mount of type ${type}`);
  if (type !== 'bind' && type !== 'volume' && type !== 'tmpfs') throw wrong(type, 'mount type unknown');
  const source = fields.text('Source');
  const target = fields.text('Target');
  const readOnly = fields.flag('ReadOnly');
  if (target === '') throw wrong(type, 'field Target must not be empty');
  if (type === 'bind' && source === '') throw wrong(type, 'field Source must not be empty');
  if (type === 'tmpfs' && source !== '') throw wrong(type, 'field Source must not be specified');
  const place = { destination: checkDestination(type, target), readOnly, mode: '', origin: 'mounts' } as const;
  if (type === 'bind') return { type, ...place, ...parseBindOptions(source, readOnly, fields.child('BindOptions')) };
  if (type === 'volume') return { type, ...place, ...parseVolumeOptions(source, fields.child('VolumeOptions')) };
  return { type, ...place, ...parseTmpfsMount(fields.child('TmpfsOptions')) };
}

function parseBindOptions(source: string, readOnly: boolean, options: Fields) {
  if (!source.startsWith('/')) {
    throw wrong('bind', `invalid mount path: '${source}' mount path must be absolute`);
  }
  const propagation = options.text('Propagation');
  if (propagation !== '' && !PROPAGATIONS.includes(propagation))
    throw wrong('bind', `invalid propagation mode: ${propagation}`);
  const createSource = options.flag('CreateMountpoint');
  const recursive = !options.flag('NonRecursive');
  const shallow = options.flag('ReadOnlyNonRecursive');
  const force = options.flag('ReadOnlyForceRecursive');
  options.close();
  if ((shallow || force) && !readOnly) {
    throw wrong('bind', `${shallow ? 'ReadOnlyNonRecursive' : 'ReadOnlyForceRecursive'} must be used with ReadOnly`);
  }
  if (shallow && force) throw wrong('bind', 'ReadOnlyForceRecursive conflicts with ReadOnlyNonRecursive');
  const readOnlyBelow = shallow || force ? { readOnlyBelow: force } : {};
  return { source: cleanPath(source), propagation, createSource, recursive, ...readOnlyBelow };
}

function parseVolumeOptions(name: string, options: Fields) {
  if (name !== '') checkVolumeName(name);
  const noCopy = options.flag('NoCopy');
  const subpath = options.text('Subpath');
  const labels = options.map('Labels');
  const driverOptions = parseDriverConfig(options.child('DriverConfig'));
  options.close();
  if (subpath.startsWith('/') || subpath.split('/').includes('..')) {
    throw wrong('volume', `subpath must be a relative path within the volume`);
  }
  return { name, anonymous: name === '', copy: !noCopy, subpath, labels, driverOptions };
}

/** "/path": "options", the form of `docker run --tmpfs`. */
function parseTmpfs(path: string, options: string): TmpfsMount {
  const destination = checkDestination('tmpfs', path);
  const words = tmpfsOptions(options);
  return { type: 'tmpfs', origin: 'tmpfs', destination, readOnly: words.includes('ro'), mode: '', options: words };
}

/** @returns the path, normalized @throws EngineError invalidArgument when nothing can be mounted there */
function checkDestination(type: string, path: string): string {
  if (!path.startsWith('/')) throw wrong(type, `invalid mount path: '${path}' mount path must be absolute`);
  if (cleanPath(path) === '/') throw wrong(type, `invalid specification: destination can't be '/'`);
  return cleanPath(path);
}

function wrong(type: string, why: string): Error {
  return invalid(`invalid mount config for type "${type}": ${why}`);
}

/** The third part of a bind: "ro,rslave". Each word once, one propagation at most. */
function parseMode(mode: string) {
  const words = mode === '' ? [] : mode.split(',');
  const propagations = words.filter((word) => PROPAGATIONS.includes(word));
  if (!isMode(mode) || propagations.length > 1 || new Set(words).size < words.length) {
    throw invalid(`invalid mode: ${mode}`);
  }
  return { readOnly: words.includes('ro'), propagation: propagations[0], noCopy: words.includes(NO_COPY) };
}

/** "/a:ro" is no bind to a relative path but a mistake, so destinations are asked, too. */
function isMode(text: string): boolean {
  if (text === '') return true;
  const words = text.split(',');
  if (words.includes('ro') && words.includes('rw')) return false;
  return words.every((word) => ['ro', 'rw', NO_COPY, ...PROPAGATIONS, ...INDIFFERENT].includes(word));
}

/** Without doubled or trailing slashes, dots resolved: equal places are equal texts. */
export function cleanPath(path: string): string {
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}
