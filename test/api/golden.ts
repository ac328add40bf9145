import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A request a real client sent to a real daemon, and the status it got. */
export interface RecordedRequest {
  readonly recording: string;
  /** API version of the path; "1.50" where the client named none */
  readonly version: string;
  readonly status: number;
  readonly path?: string;
  readonly body: unknown;
}

export interface RecordedRequests {
  readonly creates: readonly RecordedRequest[];
  readonly networks: readonly RecordedRequest[];
  readonly connects: readonly RecordedRequest[];
  readonly execs: readonly RecordedRequest[];
}

export type ReplyName =
  | 'container'
  | 'containerCreated'
  | 'containers'
  | 'network'
  | 'networks'
  | 'image'
  | 'images'
  | 'history'
  | 'info'
  | 'version'
  | 'events'
  | 'exec'
  | 'df'
  | 'top'
  | 'stats';

/** Bodies of the docker CLI 28.2, docker-compose 1.29, dockerode and testcontainers. */
export const requests = read('requests.json') as RecordedRequests;
/** Replies of Docker 20.10 (API 1.41). */
export const replies = read('replies.json') as Readonly<Record<ReplyName, unknown>>;

function read(name: string): unknown {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'golden', name), 'utf8'));
}

/** What of the shapes differs: paths of keys one side lacks, and of values of another JSON type. */
export function shapeDifferences(golden: unknown, ours: unknown, path = ''): string[] {
  const [kind, own] = [kindOf(golden), kindOf(ours)];
  if (kind !== own) return [`${path}: ${kind} became ${own}`];
  if (Array.isArray(golden) && Array.isArray(ours)) {
    return golden.length === 0 || ours.length === 0 ? [] : shapeDifferences(golden[0], ours[0], `${path}[]`);
  }
  if (kind !== 'object') return [];
  const [a, b] = [golden as Record<string, unknown>, ours as Record<string, unknown>];
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].flatMap((key) => {
    if (!Object.hasOwn(b, key)) return [`${path}.${key}: missing`];
    if (!Object.hasOwn(a, key)) return [`${path}.${key}: new`];
    return shapeDifferences(a[key], b[key], `${path}.${key}`);
  });
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
