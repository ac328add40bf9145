import { KernelError } from '../model/errors.ts';
import { AF_UNIX } from './sys.ts';

/** sun_path's size in a struct sockaddr_un, unix(7). */
const PATH_BYTES = 108;

/**
 * struct sockaddr_un: the family, then the path; an abstract name begins with a zero byte and is as long as it is.
 * @param path "@" in front: an abstract one
 * @throws KernelError ENAMETOOLONG
 */
export function unixAddress(path: string): Buffer {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : `${path}\0`);
  if (name.length > PATH_BYTES)
    throw new KernelError({ operation: `reach ${path}`, errno: 36, sentence: '' }, 'ENAMETOOLONG');
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  return Buffer.concat([family, name]);
}
