import type { GrpcError } from '../grpc/error.ts';
import { type SyncedType, typeOf } from './file-mode.ts';
import { checkPath, invalid, Trail } from './file-names.ts';
import type { Packet, Stat } from './protos/session.ts';

/** Files up to this size, in bytes, are kept whole until it is their turn. */
const SMALL = 64 << 10;
/** A small file may have grown since its size was told: up to this, in bytes. */
const LARGEST_GROWN = 1 << 20;
/** Bytes that descriptions of files may take which wait for their turn. */
const LARGEST_LISTING = 64 << 20;
/** What one description takes besides its texts */
const PER_STAT = 200;

/** So many are given on before their places in the queue are: an array loses its beginning slowly. */
const FORGETTING = 1000;

/** A file that the client has told of, and that is not given on yet. */
export interface Pending {
  readonly id: number;
  readonly stat: Stat;
  readonly type: SyncedType;
  /** Of its content, not given on yet */
  readonly chunks: Buffer[];
  /** Bytes of its content that have come */
  received: number;
  requested: boolean;
  /** All of its content has come */
  complete: boolean;
}

/** What a client sends of its files, checked: names, order, sizes, and that it was asked for. */
export class Inbox {
  readonly #trail = new Trail();
  readonly #queue: Pending[] = [];
  readonly #requested = new Map<number, Pending>();
  /** Of the queue */
  #given = 0;
  #next = 0;
  #listing = 0;
  #described = false;

  /** The file whose turn it is. */
  get head(): Pending | undefined {
    return this.#queue[this.#given];
  }

  /** All files were told of. */
  get described(): boolean {
    return this.#described;
  }

  /** The first of those that wait. */
  ahead(count: number): readonly Pending[] {
    return this.#queue.slice(this.#given, this.#given + count);
  }

  /** The client is asked for its content. */
  ask(pending: Pending): void {
    pending.requested = true;
    this.#requested.set(pending.id, pending);
  }

  /** It was given on. */
  leave(pending: Pending): void {
    this.#given++;
    if (this.#given >= FORGETTING) {
      this.#queue.splice(0, this.#given);
      this.#given = 0;
    }
    this.#requested.delete(pending.id);
    this.#listing -= sizeOf(pending.stat);
  }

  /** @throws GrpcError for what no client sends */
  take(packet: Packet): void {
    if (packet.type === 'error') throw invalid(`the client could not send its files: ${packet.data.toString()}`);
    if (packet.type === 'stat') this.#describe(packet.stat);
    else if (packet.type === 'data') this.#content(packet);
    else throw invalid(`the client sent a ${packet.type} where files are due`);
  }

  /** @param stat undefined after the last */
  #describe(stat: Stat | undefined): void {
    if (this.#described) throw invalid('the client described a file after the last one');
    if (stat === undefined) {
      this.#described = true;
      return;
    }
    const id = this.#next++;
    const type = typeOf(stat);
    if (type === undefined) return;
    checkPath(stat, type);
    this.#trail.enter(stat.path, type);
    this.#listing += sizeOf(stat);
    if (this.#listing > LARGEST_LISTING) throw invalid('the client described too many files at once');
    this.#queue.push({ id, stat, type, chunks: [], received: 0, requested: false, complete: type !== 'file' });
  }

  #content({ id, data }: Packet): void {
    const pending = this.#requested.get(id);
    if (pending === undefined || pending.complete) throw invalid(`the client sent a file it was not asked for: ${id}`);
    pending.received += data.length;
    if (!isLarge(pending) && pending.received > LARGEST_GROWN) throw changed(pending);
    if (data.length === 0) pending.complete = true;
    else pending.chunks.push(data);
  }
}

export function isLarge({ type, stat }: Pending): boolean {
  return type === 'file' && stat.size > SMALL;
}

export function changed({ stat }: Pending): GrpcError {
  return invalid(`${JSON.stringify(stat.path)} changed while it was sent`);
}

function sizeOf({ path, linkName }: Stat): number {
  return PER_STAT + path.length + linkName.length;
}
