import { writeSync } from 'node:fs';

/** pax(1), "ustar Interchange Format" and "pax Interchange Format". */
const BLOCK = 512;
/** What eleven and seven octal digits hold. */
const LARGEST_SIZE = 8 ** 11 - 1;
const LARGEST_ID = 8 ** 7 - 1;

export type TarType = 'file' | 'link' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo' | 'pax';
const TYPE_FLAG: Readonly<Record<TarType, string>> = {
  file: '0',
  link: '1',
  symlink: '2',
  character: '3',
  block: '4',
  directory: '5',
  fifo: '6',
  pax: 'x',
};

/** Texts hold one byte in each character: names need not be UTF-8. */
export interface TarEntry {
  readonly name: string;
  readonly type: TarType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Seconds since 1970 */
  readonly modified: number;
  readonly linkName?: string;
  readonly device?: { readonly major: number; readonly minor: number };
  /** Extended attributes by name */
  readonly attributes?: Readonly<Record<string, Buffer>>;
}

/** Writes a tar to a descriptor, waiting where the reader is slow. */
export class TarWriter {
  readonly #output: number;

  constructor(output: number) {
    this.#output = output;
  }

  /** A file's content must follow, all of it. */
  entry(entry: TarEntry): void {
    const records = paxRecords(entry);
    if (records.length > 0) {
      const { uid, gid, modified } = { uid: 0, gid: 0, modified: Math.max(0, Math.trunc(entry.modified)) };
      this.write(
        header({ name: 'PaxHeaders/entry', type: 'pax', mode: 0o644, uid, gid, size: records.length, modified }),
      );
      this.write(records);
      this.pad(records.length);
    }
    this.write(header(entry));
  }

  /** Zeros up to the next block. @param size of the content before */
  pad(size: number): void {
    const rest = size % BLOCK;
    if (rest > 0) this.write(Buffer.alloc(BLOCK - rest));
  }

  end(): void {
    this.write(Buffer.alloc(2 * BLOCK));
  }

  write(bytes: Uint8Array): void {
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(this.#output, bytes, offset);
  }
}

/** What ustar's fields cannot hold; the fields themselves then hold as much as fits. */
function paxRecords(entry: TarEntry): Buffer {
  const { name, linkName = '', size, uid, gid, attributes = {} } = entry;
  const records: [string, Buffer][] = [];
  if (name.length > 100 || !isAscii(name)) records.push(['path', Buffer.from(name, 'latin1')]);
  if (linkName.length > 100 || !isAscii(linkName)) records.push(['linkpath', Buffer.from(linkName, 'latin1')]);
  if (size > LARGEST_SIZE) records.push(['size', Buffer.from(String(size))]);
  if (uid > LARGEST_ID) records.push(['uid', Buffer.from(String(uid))]);
  if (gid > LARGEST_ID) records.push(['gid', Buffer.from(String(gid))]);
  for (const [key, value] of Object.entries(attributes)) records.push([`SCHILY.xattr.${key}`, value]);
  return Buffer.concat(records.map(([key, value]) => paxRecord(key, value)));
}

/** "LENGTH key=value\n", where the length counts its own digits too. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
  let length = rest.length;
  while (length !== rest.length + String(length).length) length = rest.length + String(length).length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function isAscii(text: string): boolean {
  return !/[^\x20-\x7e]/.test(text);
}

function header(entry: TarEntry): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number, offset: number) => {
    const fitting = value > 8 ** digits - 1 || value < 0 ? 0 : Math.trunc(value);
    block.write(`${fitting.toString(8).padStart(digits, '0')}\0`, offset, 'latin1');
  };
  block.write(entry.name.slice(0, 100), 0, 'latin1');
  octal(entry.mode & 0o7777, 7, 100);
  octal(entry.uid, 7, 108);
  octal(entry.gid, 7, 116);
  octal(entry.size, 11, 124);
  octal(entry.modified, 11, 136);
  // The sum is taken with its own field full of blanks.
  block.write('        ', 148);
  block.write(TYPE_FLAG[entry.type], 156);
  block.write((entry.linkName ?? '').slice(0, 100), 157, 'latin1');
  block.write('ustar\0' + '00', 257);
  octal(entry.device?.major ?? 0, 7, 329);
  octal(entry.device?.minor ?? 0, 7, 337);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
