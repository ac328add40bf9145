import { execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { formatTime } from './clock.ts';
import { placeInTime } from './reader.ts';
import type { LogQuery, LogRecord } from './record.ts';

/** What the driver writes and users did not ask for; journald's own begin with an underscore. */
const OURS: ReadonlySet<string> = new Set(
  (
    'CONTAINER_ID CONTAINER_ID_FULL CONTAINER_NAME CONTAINER_TAG CONTAINER_LOG_ORDINAL CONTAINER_PARTIAL_MESSAGE ' +
    'IMAGE_NAME MESSAGE PRIORITY SYSLOG_IDENTIFIER SYSLOG_TIMESTAMP'
  ).split(' '),
);

interface Found {
  readonly cursor: string;
  readonly record: LogRecord;
}

/**
 * A container's entries in the journal, read by journalctl, oldest first. With `follow`, goes on until `signal` is aborted, and then
 * reads what came until that moment.
 */
export async function* readJournal(id: string, query: LogQuery): AsyncGenerator<LogRecord, void, undefined> {
  const { tail = 'all', follow, signal } = query;
  const match = `CONTAINER_ID_FULL=${id}`;
  const start = `--lines=${tail}`;
  let from = start;
  await synchronize();
  const follower = follow ? journalctl([match, '--follow', start], signal) : [];
  for await (const { cursor, record } of follower) {
    from = `--after-cursor=${cursor}`;
    const when = placeInTime(record, query);
    if (when === 'late') return;
    if (when === 'wanted' && query[record.stream]) yield record;
  }
  if (follow) await synchronize();
  for await (const { record } of journalctl([match, from], undefined)) {
    const when = placeInTime(record, query);
    if (when === 'late') return;
    if (when === 'wanted' && query[record.stream]) yield record;
  }
}

/** Until what has been sent to journald can be read. */
function synchronize(): Promise<void> {
  return new Promise((resolve) => {
    execFile('journalctl', ['--sync'], () => resolve());
  });
}

/** One JSON object a line (systemd.journal-fields(7)). */
async function* journalctl(args: readonly string[], signal: AbortSignal | undefined): AsyncGenerator<Found> {
  if (signal?.aborted === true) return;
  const child = spawn('journalctl', ['--output=json', '--all', '--quiet', '--no-pager', ...args], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const stop = () => child.kill();
  signal?.addEventListener('abort', stop);
  child.on('error', () => child.stdout.destroy());
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const found = parse(line);
      if (found !== undefined) yield found;
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
  }
}

/** @returns undefined for what is no entry of ours */
function parse(line: string): Found | undefined {
  let fields: Record<string, unknown>;
  try {
    fields = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { MESSAGE, PRIORITY, SYSLOG_TIMESTAMP, __CURSOR } = fields;
  const end = fields['CONTAINER_PARTIAL_MESSAGE'] === 'true' ? '' : '\n';
  const added = Object.entries(fields).filter(([name]) => !name.startsWith('_') && !OURS.has(name));
  return {
    cursor: String(__CURSOR),
    record: {
      stream: PRIORITY === '3' ? 'stderr' : 'stdout',
      time: typeof SYSLOG_TIMESTAMP === 'string' ? SYSLOG_TIMESTAMP : receptionTime(fields),
      line: Buffer.concat([bytes(MESSAGE), Buffer.from(end)]),
      attributes: Object.fromEntries(added.map(([name, value]) => [name, String(value)])),
    },
  };
}

/** journalctl writes what is no text as a list of bytes. */
function bytes(value: unknown): Buffer {
  return Array.isArray(value) ? Buffer.from(value) : Buffer.from(typeof value === 'string' ? value : '');
}

function receptionTime(fields: Readonly<Record<string, unknown>>): string {
  return formatTime(BigInt(String(fields['__REALTIME_TIMESTAMP'] ?? 0)) * 1000n);
}
