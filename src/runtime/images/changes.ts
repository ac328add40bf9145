import { posix } from 'node:path';
import { EngineError } from '../../model/errors.ts';
import { parseSignal } from '../process/signals.ts';
import type { ConfigSection } from './config.ts';
import { parseHealthcheck } from './healthcheck.ts';
import { splitWords } from './words.ts';

type Instruction = (config: ConfigSection, text: string) => ConfigSection;

const SHELL = ['/bin/sh', '-c'] as const;
const MAX_PORT = 65_535;

/** Dockerfile instructions that change an image without running anything. */
const INSTRUCTIONS: Readonly<Record<string, Instruction>> = {
  CMD: (config, text) => ({ ...config, Cmd: parseCommand(text) }),
  ENTRYPOINT: (config, text) => ({ ...config, Entrypoint: parseCommand(text) }),
  ENV: (config, text) => ({ ...config, Env: parsePairs('ENV', config, text).reduce(setVariable, config.Env ?? []) }),
  EXPOSE: (config, text) => ({
    ...config,
    ExposedPorts: { ...config.ExposedPorts, ...keys(parsePorts(config, text)) },
  }),
  HEALTHCHECK: (config, text) => ({ ...config, Healthcheck: parseHealthcheck(text, parseJsonList) }),
  LABEL: (config, text) => ({
    ...config,
    Labels: { ...config.Labels, ...Object.fromEntries(parsePairs('LABEL', config, text)) },
  }),
  ONBUILD: (config, text) => ({ ...config, OnBuild: [...(config.OnBuild ?? []), text] }),
  STOPSIGNAL: (config, text) => ({ ...config, StopSignal: signalName(oneWord('STOPSIGNAL', config, text)) }),
  USER: (config, text) => ({ ...config, User: oneWord('USER', config, text) }),
  VOLUME: (config, text) => ({ ...config, Volumes: { ...config.Volumes, ...keys(parseVolumes(config, text)) } }),
  WORKDIR: (config, text) => ({
    ...config,
    WorkingDir: posix.resolve('/', config.WorkingDir ?? '', words(config, text).join(' ')),
  }),
};

/**
 * Applies `--change` of `docker import` and `docker commit` to a configuration. Each change may hold several lines.
 *
 * @throws EngineError invalidArgument in Docker's words
 */
export function applyChanges(config: ConfigSection, changes: readonly string[]): ConfigSection {
  const joined = changes.join('\n').replace(/\\[ \t]*\n/g, '');
  const lines = joined.split('\n').map((line) => line.trim());
  return lines.filter((line) => line !== '' && !line.startsWith('#')).reduce(applyChange, config);
}

function applyChange(config: ConfigSection, line: string): ConfigSection {
  const [, name = '', text = ''] = /^(\S+)\s*(.*)$/s.exec(line) ?? [];
  const instruction = INSTRUCTIONS[name.toUpperCase()];
  if (instruction === undefined) throw invalid(`${name} is not a valid change command`);
  if (text === '') throw invalid(`${name.toUpperCase()} requires at least one argument`);
  return instruction(config, text);
}

/** The JSON form runs as it is; anything else runs in a shell. */
function parseCommand(text: string): readonly string[] {
  return parseJsonList(text) ?? [...SHELL, text];
}

/** A JSON list of strings, or undefined for any other text: Docker takes that as the other form. */
export function parseJsonList(text: string): string[] | undefined {
  if (!text.startsWith('[')) return undefined;
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every((item) => typeof item === 'string') ? list : undefined;
  } catch {
    return undefined;
  }
}

/** "A=1 B=two", or the old form "A everything after it". */
function parsePairs(instruction: string, config: ConfigSection, text: string): [name: string, value: string][] {
  const old = /^([^\s=]+)\s+(.*)$/s.exec(text);
  if (old !== null) return [[words(config, old[1] ?? '').join(' '), words(config, old[2] ?? '').join(' ')]];
  return words(config, text).map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) throw invalid(`Syntax error - can't find = in "${word}". Must be of the form: name=value`);
    if (equals === 0) throw invalid(`${instruction} names can not be blank`);
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function setVariable(env: readonly string[], [name, value]: [string, string]): readonly string[] {
  const changed = `${name}=${value}`;
  const at = env.findIndex((entry) => entry === name || entry.startsWith(`${name}=`));
  return at < 0 ? [...env, changed] : env.with(at, changed);
}

/** "80", "53/udp", "8000-8010/tcp" */
function parsePorts(config: ConfigSection, text: string): string[] {
  return words(config, text).flatMap((word) => {
    const [, from, to = from, protocol = 'tcp'] = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(word) ?? [];
    const first = Number(from);
    const last = Number(to);
    if (!(first <= last && last <= MAX_PORT)) throw invalid(`invalid containerPort: ${word}`);
    return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${protocol.toLowerCase()}`);
  });
}

function parseVolumes(config: ConfigSection, text: string): string[] {
  const paths = (parseJsonList(text) ?? words(config, text)).map((path) => path.trim());
  if (paths.includes('')) throw invalid('VOLUME specified can not be an empty string');
  return paths;
}

function oneWord(instruction: string, config: ConfigSection, text: string): string {
  const [word, ...more] = words(config, text);
  if (word === undefined || more.length > 0) throw invalid(`${instruction} requires exactly one argument`);
  return word;
}

/** As it was written, when there is such a signal. */
function signalName(text: string): string {
  parseSignal(text);
  return text;
}

/** Variables are those the image's own environment has so far. */
function words(config: ConfigSection, text: string): string[] {
  return splitWords(text, (name) => {
    const entry = config.Env?.find((variable) => variable.startsWith(`${name}=`));
    return entry?.slice(name.length + 1);
  });
}

function keys(names: readonly string[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}

function invalid(message: string): EngineError {
  return new EngineError('invalidArgument', message);
}
