import { UnixDatagrams } from '../../kernel/unix-datagrams.ts';
import type { Container } from '../../model/container.ts';
import { EngineError, errorMessage } from '../../model/errors.ts';
import type { Logger } from '../../model/logger.ts';
import { pickAttributes, tagOf } from './attributes.ts';
import type { Stream } from './batch.ts';
import type { Checkpoint } from './checkpoint.ts';
import { formatTime, NanosecondClock } from './clock.ts';
import { LineCutter } from './lines.ts';
import type { ContainerLog } from './log.ts';
import { type Delivery, delivery } from './settings.ts';

/** Where journald takes datagrams (systemd.io/JOURNAL_NATIVE_PROTOCOL). */
const JOURNAL_SOCKET = '/run/systemd/journal/socket';
/** syslog(3): LOG_INFO and LOG_ERR */
const PRIORITY = { stdout: '6', stderr: '3' } as const;
/** With more than this waiting for journald, the writer is asked to pause. Bytes */
const HIGH_WATER = 1 << 20;
/** Between attempts while journald does not take more, or is being started again. Milliseconds, and how often */
const PAUSE = 1;
const ATTEMPTS = 10_000;

/** An entry that journald has not yet. */
interface Waiting {
  readonly entry: Buffer;
  readonly stream: Stream;
  /** Offset in the stream behind its line */
  readonly end: number;
}

/** A container's log in the machine's journal, with the fields Docker gives it. */
export class JournalLog implements ContainerLog {
  readonly #socket: UnixDatagrams;
  readonly #fields: Buffer;
  readonly #delivery: Delivery;
  readonly #logger: Logger;
  readonly #clock = new NanosecondClock();
  readonly #cutters = { stdout: new LineCutter(1), stderr: new LineCutter(1) };
  readonly #waiting: Waiting[] = [];
  /** Bytes of each stream that were cut into lines, and those that journald has */
  readonly #cut = { stdout: 0, stderr: 0 };
  readonly #sent = { stdout: 0, stderr: 0 };
  #checkpoint: Checkpoint | undefined;
  #waitingBytes = 0;
  #sending: Promise<void> | undefined;
  #ordinal = 0;
  #warned = false;
  #closed = false;

  /** @throws EngineError internal in Docker's words where no journal is */
  constructor(container: Container, logger: Logger) {
    const socket = UnixDatagrams.connect(JOURNAL_SOCKET);
    if (socket === undefined) throw new EngineError('internal', 'journald is not enabled on this host');
    this.#socket = socket;
    this.#fields = Buffer.concat(Object.entries(fieldsOf(container)).map(([name, value]) => field(name, value)));
    this.#delivery = delivery(container.spec.logConfig.options);
    this.#logger = logger;
  }

  /** A daemon that is killed between sending a line and noting it doubles that one; none is lost. */
  protect(checkpoint: Checkpoint): void {
    const { stdout, stderr } = checkpoint.last;
    Object.assign(this.#cut, { stdout, stderr });
    Object.assign(this.#sent, { stdout, stderr });
    this.#checkpoint = checkpoint;
  }

  append(stream: Stream, chunk: Buffer): void | Promise<void> {
    if (this.#closed) return undefined;
    for (const line of this.#cutters[stream].cut(chunk)) this.#send(stream, line);
    return this.#waitingBytes > HIGH_WATER && this.#delivery.dropBeyond === undefined ? this.flush() : undefined;
  }

  now(): bigint {
    return this.#clock.now();
  }

  rest(stream: Stream): Buffer {
    return this.#cutters[stream].rest;
  }

  async flush(): Promise<void> {
    await this.#sending;
  }

  async close(): Promise<void> {
    if (this.#closed) return this.flush();
    this.#closed = true;
    for (const stream of ['stdout', 'stderr'] as const) {
      const rest = this.#cutters[stream].takeRest();
      if (rest.length > 0) this.#send(stream, rest);
    }
    await this.flush();
    this.#checkpoint?.close();
    this.#socket.close();
  }

  #send(stream: Stream, line: Buffer): void {
    const whole = line.at(-1) === 0x0a;
    const entry = Buffer.concat([
      this.#fields,
      field('PRIORITY', PRIORITY[stream]),
      field('SYSLOG_TIMESTAMP', formatTime(this.#clock.now())),
      field('CONTAINER_LOG_ORDINAL', String(++this.#ordinal)),
      whole ? Buffer.alloc(0) : field('CONTAINER_PARTIAL_MESSAGE', 'true'),
      field('MESSAGE', whole ? line.subarray(0, -1) : line),
    ]);
    this.#cut[stream] += line.length;
    const end = this.#cut[stream];
    if (this.#sending === undefined && this.#try(entry)) {
      this.#note(stream, end);
      return;
    }
    const { dropBeyond } = this.#delivery;
    if (dropBeyond !== undefined && this.#waitingBytes > 0 && this.#waitingBytes + entry.length > dropBeyond) return;
    this.#waiting.push({ entry, stream, end });
    this.#waitingBytes += entry.length;
    this.#sending ??= this.#sendWaiting();
  }

  async #sendWaiting(): Promise<void> {
    // journald did not take it a moment ago.
    await new Promise((resolve) => setTimeout(resolve, 1));
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const { entry, stream, end } = next;
      let sent = this.#try(entry);
      for (let attempt = 0; !sent && attempt < ATTEMPTS; attempt += 1) {
        await new Promise((resolve) => setTimeout(resolve, PAUSE));
        sent = this.#try(entry);
      }
      if (!sent) this.#warn('journald does not take it');
      this.#waiting.shift();
      this.#waitingBytes -= entry.length;
      this.#note(stream, end);
    }
    // In the turn that found nothing waiting: what comes next would otherwise wait for nobody.
    this.#sending = undefined;
  }

  #note(stream: Stream, end: number): void {
    this.#sent[stream] = end;
    try {
      this.#checkpoint?.note({ ...this.#sent, inode: 0, size: 0 });
    } catch (error) {
      this.#warn(errorMessage(error));
    }
  }

  /** @returns false when it is worth trying again */
  #try(entry: Buffer): boolean {
    try {
      return this.#socket.send(entry);
    } catch (error) {
      this.#warn(errorMessage(error));
      return true;
    }
  }

  #warn(reason: string): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#logger.warn('Cannot write a container’s log to the journal; what it prints is lost', { reason });
  }
}

/** The names are Docker's. */
function fieldsOf(container: Container): Record<string, string> {
  const { id, name, spec } = container;
  const tag = tagOf(container, '{{.ID}}');
  return {
    ...pickAttributes(container, fieldName),
    CONTAINER_ID: id.slice(0, 12),
    CONTAINER_ID_FULL: id,
    CONTAINER_NAME: name,
    CONTAINER_TAG: tag,
    IMAGE_NAME: spec.image,
    SYSLOG_IDENTIFIER: tag,
  };
}

/** journald takes capitals, digits and underscores, and no underscore in front. */
function fieldName(key: string): string {
  return key
    .toUpperCase()
    .replaceAll(/[^A-Z0-9_]/g, '_')
    .replace(/^_+/, '');
}

/** A value with a newline in it comes with its length: 8 bytes, little-endian. */
function field(name: string, value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  if (!bytes.includes(0x0a)) return Buffer.concat([Buffer.from(`${name}=`), bytes, Buffer.from('\n')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([Buffer.from(`${name}\n`), length, bytes, Buffer.from('\n')]);
}
