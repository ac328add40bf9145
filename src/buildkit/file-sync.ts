import type { InputOf } from '../grpc/protobuf.ts';
import type { Conversation } from '../grpc/service.ts';
import { modeOf, type SyncedFile } from './file-mode.ts';
import { changed, Inbox, isLarge, type Pending } from './inbox.ts';
import type { Packet } from './protos/session.ts';

/** How many small files are asked for before it is their turn, and how many bytes of them may be on their way */
const AHEAD = 64;
const AHEAD_BYTES = 1 << 20;

/**
 * Receives a folder's files. The client (fsutil, send.go) first describes all files, sorted, and sends the content of those it is
 * asked for, four at a time and in pieces.
 */
export class FileSync {
  readonly #conversation: Conversation<InputOf<typeof Packet>, Packet>;
  readonly #inbox = new Inbox();
  #ahead = 0;
  #aheadBytes = 0;

  constructor(conversation: Conversation<InputOf<typeof Packet>, Packet>) {
    this.#conversation = conversation;
  }

  /** Every file in its order; content that is given in pieces must be read before the next one is taken. @throws GrpcError */
  async *files(): AsyncGenerator<SyncedFile, void, undefined> {
    try {
      for (;;) {
        await this.#askAhead();
        const { head, described } = this.#inbox;
        if (head === undefined && described) break;
        if (head === undefined || (!head.complete && !isLarge(head))) {
          await this.#receive();
          continue;
        }
        yield isLarge(head) ? describe(head, head.stat.size, this.#pieces(head)) : whole(head);
        this.#leave(head);
      }
      await this.#finish();
    } finally {
      this.#conversation.close();
    }
  }

  /** The content of a large file, exactly as long as was told. */
  async *#pieces(head: Pending): AsyncGenerator<Buffer, void, undefined> {
    await this.#ask(head);
    let given = 0;
    for (;;) {
      for (const chunk of head.chunks.splice(0)) {
        given += chunk.length;
        if (given > head.stat.size) throw changed(head);
        yield chunk;
      }
      if (head.complete) break;
      await this.#receive();
    }
    if (given < head.stat.size) throw changed(head);
  }

  #leave(head: Pending): void {
    this.#inbox.leave(head);
    if (!head.requested || isLarge(head)) return;
    this.#ahead--;
    this.#aheadBytes -= head.stat.size;
  }

  async #askAhead(): Promise<void> {
    if (this.#ahead >= AHEAD || this.#aheadBytes > AHEAD_BYTES) return;
    for (const pending of this.#inbox.ahead(AHEAD)) {
      if (pending.complete || pending.requested) continue;
      if (isLarge(pending) || this.#ahead >= AHEAD || this.#aheadBytes > AHEAD_BYTES) return;
      this.#ahead++;
      this.#aheadBytes += pending.stat.size;
      await this.#ask(pending);
    }
  }

  async #ask(pending: Pending): Promise<void> {
    this.#inbox.ask(pending);
    await this.#conversation.send({ type: 'request', id: pending.id });
  }

  async #receive(): Promise<void> {
    this.#inbox.take(await this.#conversation.receive());
  }

  /** The client ends when it is told that nothing more is wanted. */
  async #finish(): Promise<void> {
    await this.#conversation.send({ type: 'fin' });
    for (;;) if ((await this.#conversation.receive()).type === 'fin') return;
  }
}

function whole(head: Pending): SyncedFile {
  const content = Buffer.concat(head.chunks);
  return describe(head, content.length, content);
}

function describe({ stat, type }: Pending, size: number, content: SyncedFile['content']): SyncedFile {
  const { path, linkName, major, minor } = stat;
  const modified = Math.max(0, Math.floor(stat.modified / 1e9));
  return { path, type, mode: modeOf(stat.mode), size, modified, linkName, major, minor, content };
}
