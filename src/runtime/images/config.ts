import { EngineError } from '../../model/errors.ts';
import { healthCheckFault } from '../../model/health.ts';
import type { ImageConfig, ImageHistory } from '../../model/image.ts';

/** An image configuration as JSON, keys as in the OCI image spec (config.md) and Docker's image spec v1.2. */
export interface ConfigDocument {
  readonly architecture?: string;
  readonly os?: string;
  readonly variant?: string;
  readonly created?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly config?: ConfigSection;
  readonly rootfs?: { readonly type?: string; readonly diff_ids?: readonly string[] };
  readonly history?: readonly HistoryDocument[];
}

interface HistoryDocument {
  readonly created?: string;
  readonly author?: string;
  readonly created_by?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/** The part that runs containers; null stands for absent in what Go writes. */
export interface ConfigSection {
  readonly User?: string;
  readonly Env?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly WorkingDir?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>> | null;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly StopSignal?: string;
  readonly OnBuild?: readonly string[] | null;
  readonly Healthcheck?: HealthcheckSection | null;
  readonly Shell?: readonly string[] | null;
}

/** Docker's own addition to the specification. Times are nanoseconds; 0 and absent: Docker's default. */
export interface HealthcheckSection {
  /** ["NONE"], ["CMD", …] or ["CMD-SHELL", command] */
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** Everything about an image that its configuration tells. */
export interface ParsedConfig {
  readonly created: string;
  readonly architecture: string;
  readonly os: string;
  readonly variant: string;
  readonly author: string;
  readonly comment: string;
  readonly config: ImageConfig;
  /** diff_ids, lowest first */
  readonly layers: readonly string[];
  readonly history: readonly ImageHistory[];
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** @throws EngineError invalidArgument when a field has another type than the specification says */
export function parseConfig(document: unknown): ParsedConfig {
  const root = object(document, 'image configuration');
  const section = object(root['config'] ?? {}, 'config');
  const layers = strings(object(root['rootfs'], 'rootfs')['diff_ids'], 'rootfs.diff_ids');
  if (!layers.every((id) => DIGEST.test(id))) throw malformed('rootfs.diff_ids');
  return {
    created: string(root['created'], 'created'),
    architecture: string(root['architecture'], 'architecture'),
    os: string(root['os'], 'os'),
    variant: string(root['variant'], 'variant'),
    author: string(root['author'], 'author'),
    comment: string(root['comment'], 'comment'),
    config: parseSection(section),
    layers,
    history: array(root['history'], 'history').map(parseHistory),
  };
}

function parseSection(section: Readonly<Record<string, unknown>>): ImageConfig {
  const stopSignal = string(section['StopSignal'], 'StopSignal');
  const onBuild = strings(section['OnBuild'], 'OnBuild');
  return {
    env: strings(section['Env'], 'Env'),
    entrypoint: strings(section['Entrypoint'], 'Entrypoint'),
    command: strings(section['Cmd'], 'Cmd'),
    user: string(section['User'], 'User'),
    workingDirectory: string(section['WorkingDir'], 'WorkingDir'),
    labels: labels(section['Labels']),
    exposedPorts: Object.keys(object(section['ExposedPorts'] ?? {}, 'ExposedPorts')),
    volumes: Object.keys(object(section['Volumes'] ?? {}, 'Volumes')),
    ...(onBuild.length > 0 && { onBuild }),
    ...(stopSignal !== '' && { stopSignal }),
    ...parseHealth(section),
  };
}

/** A check that nobody could run is left out: what Docker makes of it is no check either. */
function parseHealth(section: Readonly<Record<string, unknown>>): Pick<ImageConfig, 'healthCheck' | 'shell'> {
  const shell = strings(section['Shell'], 'Shell');
  const own = shell.length === 0 ? {} : { shell };
  if (section['Healthcheck'] === undefined || section['Healthcheck'] === null) return own;
  const check = object(section['Healthcheck'], 'Healthcheck');
  const healthCheck = {
    test: strings(check['Test'], 'Healthcheck.Test'),
    interval: integer(check['Interval'], 'Healthcheck.Interval'),
    timeout: integer(check['Timeout'], 'Healthcheck.Timeout'),
    startPeriod: integer(check['StartPeriod'], 'Healthcheck.StartPeriod'),
    startInterval: integer(check['StartInterval'], 'Healthcheck.StartInterval'),
    retries: integer(check['Retries'], 'Healthcheck.Retries'),
  };
  return healthCheckFault(healthCheck) === undefined ? { ...own, healthCheck } : own;
}

function parseHistory(value: unknown): ImageHistory {
  const row = object(value, 'history');
  return {
    created: string(row['created'], 'history.created'),
    createdBy: string(row['created_by'], 'history.created_by'),
    comment: string(row['comment'], 'history.comment'),
    emptyLayer: row['empty_layer'] === true,
  };
}

function labels(value: unknown): Record<string, string> {
  const entries = Object.entries(object(value ?? {}, 'Labels'));
  return Object.fromEntries(entries.map(([name, text]) => [name, string(text, `Labels.${name}`)]));
}

/** @throws EngineError invalidArgument */
export function object(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(name);
  return value as Readonly<Record<string, unknown>>;
}

/** Absent and null are []. @throws EngineError invalidArgument */
export function array(value: unknown, name: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw malformed(name);
  return value;
}

/** @throws EngineError invalidArgument */
export function strings(value: unknown, name: string): readonly string[] {
  return array(value, name).map((item) => {
    if (typeof item !== 'string') throw malformed(name);
    return item;
  });
}

/** Absent and null are ''. @throws EngineError invalidArgument */
export function string(value: unknown, name: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw malformed(name);
  return value;
}

/** Absent and null are 0. @throws EngineError invalidArgument */
function integer(value: unknown, name: string): number {
  if (value === undefined || value === null) return 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw malformed(name);
  return value;
}

function malformed(name: string): EngineError {
  return new EngineError('invalidArgument', `invalid image: malformed ${name}`);
}
