import type { LogConfig } from '../../model/container.ts';
import { EngineError } from '../../model/errors.ts';
import { parseSize } from '../../model/size.ts';

/** Which files a log consists of. */
export interface Rotation {
  /** Bytes after which a new file is begun; undefined: never */
  readonly maxSize?: number;
  /** The current one included */
  readonly maxFiles: number;
  /** Of all but the current one */
  readonly compress: boolean;
}

/** How a container's log is kept, whoever keeps it. */
export interface Delivery {
  /** Bytes that may wait for a slow disk; what comes then is dropped. Undefined: the container waits instead */
  readonly dropBeyond?: number;
}

/** What each driver understands beside `mode` and `max-buffer-size`. */
const ROTATION = ['max-size', 'max-file', 'compress'];
const ATTRIBUTES = ['labels', 'labels-regex', 'env', 'env-regex', 'tag'];
const OPTIONS: ReadonlyMap<string, readonly string[]> = new Map([
  ['json-file', [...ROTATION, ...ATTRIBUTES]],
  ['local', ROTATION],
  ['journald', ATTRIBUTES],
]);

/** The drivers `docker info` lists; `none` is one more. */
export const LOG_DRIVERS: readonly string[] = [...OPTIONS.keys()].sort();

/** Open files a reader needs at once. */
const MAX_FILES = 1000;
/** Docker's for what may wait with mode=non-blocking. Bytes */
const BUFFER_SIZE = 1 << 20;

function invalid(message: string): EngineError {
  return new EngineError('invalidArgument', message);
}

/**
 * What a container was told, with the daemon's defaults for the rest.
 * @throws EngineError invalidArgument in Docker's words
 */
export function mergeLogConfig(asked: LogConfig, defaults: LogConfig): LogConfig {
  const driver = asked.driver === '' ? defaults.driver : asked.driver;
  const options = driver === defaults.driver ? { ...defaults.options, ...asked.options } : asked.options;
  const config = { driver, options };
  checkLogConfig(config);
  return config;
}

/** @throws EngineError invalidArgument in Docker's words: no such driver, no such option, a value that is none */
export function checkLogConfig({ driver, options }: LogConfig): void {
  if (driver === 'none') return;
  delivery(options);
  const known = OPTIONS.get(driver);
  if (known === undefined) throw invalid(`logger: no log driver named '${driver}' is registered`);
  for (const name of Object.keys(options)) {
    if (known.includes(name) || name === 'mode' || name === 'max-buffer-size') continue;
    const whose = driver === 'local' ? 'log driver local' : `${driver} log driver`;
    throw invalid(`unknown log opt '${name}' for ${whose}`);
  }
  if (known.includes('max-size')) rotation(driver, options);
  for (const name of ['labels-regex', 'env-regex']) if (options[name] !== undefined) expression(options[name]);
  checkTag(options['tag'] ?? '');
}

/** @throws EngineError invalidArgument in Docker's words */
export function delivery(options: LogConfig['options']): Delivery {
  const { mode = '' } = options;
  if (mode !== '' && mode !== 'blocking' && mode !== 'non-blocking') {
    throw invalid(`logger: logging mode not supported: ${mode}`);
  }
  const size = options['max-buffer-size'];
  if (size !== undefined && mode !== 'non-blocking') {
    throw invalid("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
  }
  const limit = size === undefined ? BUFFER_SIZE : sizeOf('max-buffer-size', size, 1024);
  return mode === 'non-blocking' ? { dropBeyond: limit } : {};
}

/** `local` turns over by itself, `json-file` when told. @throws EngineError invalidArgument in Docker's words */
export function rotation(driver: string, options: LogConfig['options']): Rotation {
  const local = driver === 'local';
  const given = options['max-size'] ?? (local ? '20m' : undefined);
  // Docker reads one with 1000, the other with 1024.
  const maxSize = given === undefined ? undefined : sizeOf('max-size', given, local ? 1024 : 1000);
  if (maxSize !== undefined && maxSize <= 0) throw invalid('max-size must be a positive number');
  const maxFiles = parseCount(options['max-file'] ?? (local ? '5' : '1'));
  const compress = parseBoolean(options['compress'] ?? String(local && maxFiles > 1));
  if (compress && (maxFiles === 1 || maxSize === undefined)) {
    throw invalid('compress cannot be true when max-file is less than 2 or max-size is not set');
  }
  return { ...(maxSize === undefined ? {} : { maxSize }), maxFiles, compress };
}

function parseCount(text: string): number {
  if (!/^[+-]?\d{1,9}$/.test(text)) throw invalid(`strconv.Atoi: parsing "${text}": invalid syntax`);
  const count = Number(text);
  if (count < 1) throw invalid('max-file cannot be less than 1');
  if (count > MAX_FILES) throw invalid(`max-file cannot be more than ${MAX_FILES}`);
  return count;
}

/** As Go's strconv.ParseBool. */
function parseBoolean(text: string): boolean {
  if (/^(1|t|T|TRUE|true|True)$/.test(text)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(text)) return false;
  throw invalid(`strconv.ParseBool: parsing "${text}": invalid syntax`);
}

/** @throws EngineError invalidArgument */
function sizeOf(name: string, text: string, kilo: 1000 | 1024): number {
  const size = parseSize(text, kilo);
  if (size === undefined) throw invalid(`invalid size for ${name}: '${text}'`);
  return size;
}

/** Go's expressions and JavaScript's agree on what people write here. @throws EngineError invalidArgument */
export function expression(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new EngineError('invalidArgument', `error parsing regexp: ${text}`, { cause: error });
  }
}

/** What a tag may be made of. */
const TAG_FIELDS = ['ID', 'FullID', 'Name', 'ImageID', 'ImageFullID', 'ImageName', 'DaemonName'] as const;
export const TAG_FIELD = /\{\{\s*\.(\w+)\s*\}\}/g;

/** Docker takes any Go template; here it is text with fields. */
function checkTag(template: string): void {
  const fields: readonly string[] = TAG_FIELDS;
  for (const [, field = ''] of template.matchAll(TAG_FIELD)) {
    if (!fields.includes(field)) throw invalid(`invalid log tag "${template}": there is no field ${field}`);
  }
  if (/\{\{|\}\}/.test(template.replaceAll(TAG_FIELD, ''))) {
    const allowed = fields.map((field) => `{{.${field}}}`).join(', ');
    throw invalid(`log tag "${template}" is not supported by Fairway: it may hold ${allowed}`);
  }
}
