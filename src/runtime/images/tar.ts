/** Writing tar as POSIX's ustar describes it (pax(1), "ustar Interchange Format"): regular files with short names. */
const BLOCK = 512;
/** Eleven octal digits; beyond, GNU's binary form. */
const MAX_OCTAL = 8 ** 11 - 1;

export const END_OF_TAR = Buffer.alloc(2 * BLOCK);

/** @param name at most 100 bytes @param size bytes of content to follow @param time seconds since 1970 */
export function tarHeader(name: string, size: number, time = 0): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(name, 0, 100);
  header.write('0000444\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  if (size <= MAX_OCTAL) header.write(size.toString(8).padStart(11, '0'), 124);
  else writeBinarySize(header, size);
  header.write(time.toString(8).padStart(11, '0'), 136);
  // The sum is taken with its own field full of blanks.
  header.write('        ', 148);
  header.write('0', 156);
  header.write('ustar\0' + '00', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

/** Zeros up to the next block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

function writeBinarySize(header: Buffer, size: number): void {
  header[124] = 0x80;
  header.writeBigUInt64BE(BigInt(size), 128);
}
