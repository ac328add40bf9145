import { constants, createReadStream } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { InputOf } from '../grpc/protobuf.ts';
import type { Conversation } from '../grpc/service.ts';
import { goMode } from './file-mode.ts';
import { invalid } from './file-names.ts';
import type { Packet } from './protos/session.ts';
import type { Session } from './session.ts';

/** Of the exporters asked for: there is one (buildkit, session/filesync). */
const FIRST = { 'buildkit-attachable-exporter-id': '0' };
/** Bytes of a file in one message */
const CHUNK = 256 << 10;

/** Sends a file to where the client wants it. @throws GrpcError */
export async function sendFile(session: Session, path: string, signal: AbortSignal): Promise<void> {
  const conversation = session.target.bytes({ signal, metadata: FIRST });
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) {
      await conversation.send({ data: chunk as Buffer });
    }
    conversation.finish();
    for await (const _ of conversation.rest());
  } finally {
    conversation.close();
  }
}

type Packets = Conversation<InputOf<typeof Packet>, Packet>;

/**
 * Sends a folder to where the client wants it (fsutil, send.go): descriptions first, then the content of what it asks for.
 * @throws GrpcError
 */
export async function sendFolder(session: Session, path: string, signal: AbortSignal): Promise<void> {
  const conversation = session.target.packets({ signal, metadata: FIRST });
  try {
    const files = await describe(conversation, path);
    await conversation.send({ type: 'stat' });
    for (;;) {
      const { type, id, data } = await conversation.receive();
      if (type === 'fin') break;
      if (type === 'error') throw invalid(`the client could not write what was built: ${data.toString()}`);
      const file = files.get(id);
      if (type !== 'request' || file === undefined)
        throw invalid(`the client asked for a file that there is not: ${id}`);
      files.delete(id);
      await sendContent(conversation, id, file);
    }
    await conversation.send({ type: 'fin' });
    conversation.finish();
    for await (const _ of conversation.rest());
  } finally {
    conversation.close();
  }
}

/** @returns paths of the regular files, by the number the client knows them by */
async function describe(conversation: Packets, root: string): Promise<Map<number, string>> {
  const files = new Map<number, string>();
  let next = 0;
  const walk = async (folder: string) => {
    for (const name of (await readdir(join(root, folder))).sort(byBytes)) {
      const path = join(folder, name);
      const stats = await lstat(join(root, path));
      const id = next++;
      const linkName = stats.isSymbolicLink() ? await readlink(join(root, path)) : '';
      const size = stats.isFile() ? stats.size : 0;
      const modified = Math.floor(stats.mtimeMs) * 1e6;
      await conversation.send({ type: 'stat', stat: { path, mode: goMode(stats), size, modified, linkName } });
      if (stats.isFile()) files.set(id, join(root, path));
      if (stats.isDirectory()) await walk(path);
    }
  };
  await walk('');
  return files;
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

async function sendContent(conversation: Packets, id: number, path: string): Promise<void> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  for await (const data of file.createReadStream({ highWaterMark: CHUNK, autoClose: false })) {
    await conversation.send({ type: 'data', id, data: data as Buffer });
  }
  await conversation.send({ type: 'data', id });
}
