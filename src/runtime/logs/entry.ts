import { isAscii } from 'node:buffer';
import type { LogRecord } from './record.ts';

/** What Go's encoder escapes and JSON.stringify leaves as it is. */
const GO_ESCAPES: readonly (readonly [string, string])[] = [
  ['<', '\\u003c'],
  ['>', '\\u003e'],
  ['&', '\\u0026'],
  ['\u2028', '\\u2028'],
  ['\u2029', '\\u2029'],
];

/** Entries ready to be written, one part after the other. */
export interface EncodedEntries {
  readonly parts: readonly string[];
  /** latin1 where that makes the same bytes as UTF-8: it is quicker */
  readonly encoding: 'latin1' | 'utf8';
  /** In that encoding */
  readonly size: number;
}

/**
 * Entries of Docker's json-file format, one per line of the text: {"log":"…\n","stream":"stdout","time":"…"}. Bytes that are no
 * UTF-8 become U+FFFD, as in Docker. Whole texts are worked on, not characters: that is what makes it quick.
 * @param attributes as attributesPart made it
 */
export function encodeEntries(bytes: Buffer, stream: string, time: string, attributes = ''): EncodedEntries {
  const plain = isAscii(bytes) && isAscii(Buffer.from(attributes));
  const encoding = plain ? 'latin1' : 'utf8';
  const text = bytes.toString(encoding);
  const end = `","stream":"${stream}",${attributes}"time":"${time}"}\n`;
  const begin = '{"log":"';
  const lines = respell(encodeLines(text, `\\n${end}${begin}`), text);
  const rest = text.endsWith('\n') ? [lines.slice(0, -begin.length)] : [lines, end];
  const parts = [begin, ...rest];
  const size = parts.reduce((sum, part) => sum + (plain ? part.length : Buffer.byteLength(part)), 0);
  return { parts, encoding, size };
}

/** @param into has room for them from `at` on @returns where they end */
export function writeEntries({ parts, encoding }: EncodedEntries, into: Buffer, at: number): number {
  return parts.reduce((end, part) => end + into.write(part, end, encoding), at);
}

/** What stands in every entry of a container whose log options ask for it; '' when there is nothing. */
export function attributesPart(attributes: Readonly<Record<string, string>>): string {
  return Object.keys(attributes).length === 0 ? '' : `"attrs":${JSON.stringify(attributes)},`;
}

/** A newline is spelled \n in JSON; where the text has backslashes of its own, that may also be half of \\ and an n. */
function encodeLines(text: string, between: string): string {
  const encode = (part: string) => JSON.stringify(part).slice(1, -1);
  return text.includes('\\') ? text.split('\n').map(encode).join(between) : encode(text).replaceAll('\\n', between);
}

function respell(encoded: string, text: string): string {
  let result = encoded;
  for (const [character, spelled] of GO_ESCAPES) {
    if (text.includes(character)) result = result.replaceAll(character, spelled);
  }
  // The first alternative takes pairs, so that an escaped backslash before a letter is not mistaken.
  if (text.includes('\b') || text.includes('\f'))
    result = result.replace(/\\[^bf]|\\b|\\f/g, (found) => GO_CONTROLS[found] ?? found);
  return result;
}

/** JSON has short spellings for these that Go does not use. */
const GO_CONTROLS: Readonly<Record<string, string>> = { '\\b': '\\u0008', '\\f': '\\u000c' };

/** @returns undefined when the line is no entry: a write that was cut off by a crash */
export function decodeEntry(line: Buffer): LogRecord | undefined {
  let entry: unknown;
  try {
    entry = JSON.parse(line.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof entry !== 'object' || entry === null) return undefined;
  const { log, stream, time, attrs }: { log?: unknown; stream?: unknown; time?: unknown; attrs?: unknown } = entry;
  if (typeof time !== 'string' || (stream !== 'stdout' && stream !== 'stderr')) return undefined;
  // Docker leaves out the key of an empty text.
  const text = Buffer.from(typeof log === 'string' ? log : '');
  // Written by ourselves: text by text.
  return { stream, time, line: text, ...(attrs === undefined ? {} : { attributes: attrs as Record<string, string> }) };
}
