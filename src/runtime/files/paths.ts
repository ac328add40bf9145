import { lstatSync, readlinkSync } from 'node:fs';

/** As the kernel's MAXSYMLINKS */
const MAX_LINKS = 40;

/** Names are bytes, whatever they mean: in these texts each character stands for one. */
export function bytePath(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** A user's path as such a text. */
export function asBytes(path: string): string {
  return Buffer.from(path).toString('latin1');
}

/** And back, for people to read. */
export function asText(bytes: string): string {
  return bytePath(bytes).toString();
}

/** Where a path leads when every link in it is followed, as far as there is something; the rest stays as it is written. */
export function followLinks(path: string): string {
  const waiting = path.split('/').reverse();
  let here = '';
  let links = 0;
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (name === '' || name === '.') continue;
    if (name === '..') {
      here = here.slice(0, Math.max(0, here.lastIndexOf('/')));
      continue;
    }
    const next = `${here}/${name}`;
    const stats = links < MAX_LINKS ? lstatSync(bytePath(next), { throwIfNoEntry: false }) : undefined;
    if (stats?.isSymbolicLink() !== true) {
      here = next;
      continue;
    }
    links += 1;
    const target = readlinkSync(bytePath(next), { encoding: 'latin1' });
    if (target.startsWith('/')) here = '';
    waiting.push(...target.split('/').reverse());
  }
  return here === '' ? '/' : here;
}
