import { constants } from 'node:os';

/** Names that netlink answers with and Node does not know (asm-generic/errno.h, the same on x64 and arm64). */
const MORE = {
  EXFULL: 54,
  ENOTUNIQ: 76,
  EUSERS: 87,
  ESOCKTNOSUPPORT: 94,
  EPFNOSUPPORT: 96,
  ESHUTDOWN: 108,
  EHOSTDOWN: 112,
};

/** Names that share a number with one below: asm-generic/errno.h gives these as the second name. */
const SECOND = new Set(['EWOULDBLOCK', 'EDEADLOCK', 'ENOTSUP']);

const NAMES: ReadonlyMap<number, string> = new Map(
  [...Object.entries(MORE), ...Object.entries(constants.errno)]
    .filter(([name]) => !SECOND.has(name))
    .map(([name, value]) => [value, name]),
);

/** @param errno positive, as in errno.h @returns "EEXIST", or "E4711" for a number without a name */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `E${errno}`;
}
