import { existsSync, readFileSync } from 'node:fs';
import { EngineError, errorMessage } from '../model/errors.ts';
import { type Given, settingEntries } from './settings/index.ts';
import type { Setting } from './settings/setting.ts';

type Failure = (why: string, cause?: unknown) => EngineError;
type Content = Readonly<Record<string, unknown>>;

/**
 * Settings of a daemon.json. A missing default file, an empty file and /dev/null say nothing.
 * @param path undefined: `defaultPath`, which may be missing
 * @throws EngineError invalidArgument with dockerd's words: an unknown key, a value of the wrong type
 */
export function readConfigFile(path: string | undefined, defaultPath: string): Given {
  if (path === undefined && !existsSync(defaultPath)) return {};
  const name = path ?? defaultPath;
  const failed: Failure = (why, cause) =>
    new EngineError('invalidArgument', `unable to configure the Fairway daemon with file ${name}: ${why}`, { cause });
  let content: unknown;
  try {
    const text = readFileSync(name, 'utf8').trim();
    content = text === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw failed(errorMessage(error), error);
  }
  if (!isObject(content)) throw failed('it must hold a JSON object');
  return fromJson(flatten(content), failed);
}

/** {"proxies": {"http-proxy": …}} is the same as the flag's own key; "host-gateway-ip" was the key of a single address. */
function flatten(content: Content): Content {
  const { proxies = {}, 'host-gateway-ip': gateway, ...rest } = content;
  const gateways = gateway === undefined ? {} : { 'host-gateway-ips': Array.isArray(gateway) ? gateway : [gateway] };
  return { ...rest, ...gateways, ...(isObject(proxies) ? proxies : { proxies }) };
}

/** By the file's keys. @throws EngineError invalidArgument, made by `failed`, that names every unknown key */
function fromJson(content: Content, failed: Failure): Given {
  const byKey = new Map(
    settingEntries().flatMap(([name, setting]) =>
      setting.key === undefined ? [] : [[setting.key, { name, setting }] as const],
    ),
  );
  const unknown = Object.keys(content).filter((key) => !byKey.has(key));
  if (unknown.length > 0)
    throw failed(`the following directives don't match any configuration option: ${unknown.join(', ')}`);
  const given: Given = {};
  for (const [key, value] of Object.entries(content)) {
    const known = byKey.get(key);
    if (known === undefined) continue;
    given[known.name] = settingText(known.setting, value, () =>
      failed(`the value of "${key}" must be a ${jsonType(known.setting)}`),
    );
  }
  return given;
}

function jsonType({ kind, shape }: Setting): string {
  if (shape !== undefined) return 'object';
  return { text: 'string or number', flag: 'boolean', list: 'list' }[kind];
}

/** As it would stand on the command line, so that both are parsed by the same code. */
function settingText({ kind, shape }: Setting, value: unknown, wrong: () => EngineError): string | readonly string[] {
  switch (shape) {
    case 'any':
      return JSON.stringify(value);
    case 'pairs':
      return pairsOf(value, wrong);
    case 'ulimits':
      return ulimitsOf(value, wrong);
    case 'driver-options':
      return driverOptionsOf(value, wrong);
    case 'runtimes':
      return runtimesOf(value, wrong);
  }
  if (kind === 'list' && Array.isArray(value)) return value.map((item: unknown) => listItem(item, wrong));
  if (kind === 'flag' && typeof value === 'boolean') return String(value);
  if (kind === 'text' && (typeof value === 'string' || typeof value === 'number')) return String(value);
  throw wrong();
}

/** {"max-size": "10m"} */
function pairsOf(value: unknown, wrong: () => EngineError): string[] {
  if (!isObject(value)) throw wrong();
  return Object.entries(value).map(([name, item]) => {
    if (typeof item !== 'string') throw wrong();
    return `${name}=${item}`;
  });
}

/** {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 2048}} */
function ulimitsOf(value: unknown, wrong: () => EngineError): string[] {
  if (!isObject(value)) throw wrong();
  return Object.entries(value).map(([name, limit]) => {
    if (!isObject(limit)) throw wrong();
    return `${name}=${scalarText(limit['Soft'], wrong)}:${scalarText(limit['Hard'], wrong)}`;
  });
}

/** {"bridge": {"com.docker.network.driver.mtu": "1400"}} */
function driverOptionsOf(value: unknown, wrong: () => EngineError): string[] {
  if (!isObject(value)) throw wrong();
  return Object.entries(value).flatMap(([driver, options]) =>
    pairsOf(options, wrong).map((pair) => `${driver}=${pair}`),
  );
}

/** {"crun": {"path": "/usr/bin/crun", "runtimeArgs": ["--debug"]}}: an entry stays JSON, since the flag has no room for all of it. */
function runtimesOf(value: unknown, wrong: () => EngineError): string[] {
  if (!isObject(value)) throw wrong();
  return Object.entries(value).map(([name, entry]) => {
    if (!isObject(entry)) throw wrong();
    return `${name}=${JSON.stringify(entry)}`;
  });
}

/** A string, or an address pool as an object: {"base": "10.10.0.0/16", "size": 24}. */
function listItem(item: unknown, wrong: () => EngineError): string {
  if (typeof item === 'string') return item;
  if (!isObject(item)) throw wrong();
  return Object.entries(item)
    .map(([name, value]) => `${name}=${scalarText(value, wrong)}`)
    .join();
}

function scalarText(value: unknown, wrong: () => EngineError): string {
  if (typeof value !== 'string' && typeof value !== 'number') throw wrong();
  return String(value);
}

function isObject(value: unknown): value is Content {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
