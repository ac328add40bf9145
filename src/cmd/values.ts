import { EngineError } from '../model/errors.ts';
import type { LogLevel } from './logger.ts';

export const DEFAULT_SOCKET = '/run/fairway/fairway.sock';

/** IANA: docker 2375, docker-s (TLS) 2376. */
const PLAIN_PORT = 2375;
const TLS_PORT = 2376;

/** Where a daemon listens: `unix:///run/fairway/fairway.sock`, `tcp://127.0.0.1:2376`. */
export type ListenAddress =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** Sockets the service manager opened */
  | { readonly kind: 'handed-over' };

/**
 * Docker's forms: `unix://PATH`, `tcp://HOST:PORT`, `HOST:PORT`, `:PORT`, `fd://`; what is left out is the default.
 * @param tls which port is meant where none is named
 * @throws EngineError invalidArgument in Docker's words
 */
export function parseListenAddress(text: string, tls = false): ListenAddress {
  if (/^fd:\/\//.test(text)) return { kind: 'handed-over' };
  const unix = /^unix:\/\/(\/.*)?$/.exec(text);
  if (unix !== null || text === '') return { kind: 'unix', path: unix?.[1] ?? DEFAULT_SOCKET };
  const tcp = /^(?:tcp:\/\/)?(\[[0-9a-f:]+\]|[^:/[\]]*)(?::(\d{1,5}))?\/?$/i.exec(text);
  const wanted = tcp?.[2] ?? (text.startsWith('tcp://') ? String(tls ? TLS_PORT : PLAIN_PORT) : undefined);
  if (tcp === null || wanted === undefined || Number(wanted) > 65_535) {
    throw new EngineError(
      'invalidArgument',
      `invalid bind address: ${text}: want unix:///PATH, tcp://ADDRESS:PORT or fd://`,
    );
  }
  return { kind: 'tcp', host: (tcp[1] ?? '').replace(/^\[|\]$/g, '') || '127.0.0.1', port: Number(wanted) };
}

/** "127.0.0.1:9323" @throws EngineError invalidArgument */
export function parseMetricsAddress(text: string): { readonly host: string; readonly port: number } {
  const address = /^[^/]+:\d+$/.test(text) ? parseListenAddress(`tcp://${text}`) : undefined;
  if (address?.kind === 'tcp') return { host: address.host, port: address.port };
  throw new EngineError('invalidArgument', `invalid argument "${text}" for "--metrics-addr" flag: want ADDRESS:PORT`);
}

/** "true", "false", "1", "0", as Go's strconv.ParseBool takes them. @param name the flag, for the message @throws EngineError invalidArgument */
export function parseBoolean(name: string, text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new EngineError(
    'invalidArgument',
    `invalid argument "${text}" for "--${name}" flag: strconv.ParseBool: parsing "${text}": invalid syntax`,
  );
}

const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** dockerd's names; "fatal" says no less than "error" here. @throws EngineError invalidArgument */
export function parseLogLevel(text: string): LogLevel {
  const level = text === 'fatal' ? 'error' : LOG_LEVELS.find((known) => known === text);
  if (level === undefined) throw new EngineError('invalidArgument', `invalid logging level: ${text}`);
  return level;
}

/** "name=value" or "name", for `docker info`. @throws EngineError invalidArgument in Docker's words */
export function parseLabels(labels: readonly string[]): readonly string[] {
  const seen = new Map<string, string>();
  for (const label of labels) {
    const [name = '', ...rest] = label.split('=');
    if (rest.length === 0 || name === '') {
      throw new EngineError('invalidArgument', `bad attribute format: ${label}`);
    }
    const former = seen.get(name);
    if (former !== undefined && former !== rest.join('=')) {
      throw new EngineError('invalidArgument', `conflict labels for ${name}=${rest.join('=')} and ${name}=${former}`);
    }
    seen.set(name, rest.join('='));
  }
  return [...new Set(labels)];
}

/** Seconds that containers have when the daemon ends and stops them; -1 is no limit. @throws EngineError invalidArgument in Docker's words */
export function parseShutdownTimeout(text: string): number {
  if (/^-?\d{1,9}$/.test(text) && Number(text) >= -1) return Number(text);
  throw new EngineError(
    'invalidArgument',
    `invalid argument "${text}" for "--shutdown-timeout" flag: want seconds, or -1`,
  );
}
