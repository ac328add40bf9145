/**
 * "64m", "1.5 GiB", "4096", as Go's go-units reads them.
 * @param kilo what a k stands for: 1024 in RAMInBytes, 1000 in FromHumanSize @returns bytes; undefined when it is no size
 */
export function parseSize(text: string, kilo: 1000 | 1024): number | undefined {
  const [, count, unit] = /^(-?\d+(?:\.\d+)?) ?([kmgtp])?i?b?$/i.exec(text) ?? [];
  if (count === undefined) return undefined;
  const power = 'kmgtp'.indexOf((unit ?? '').toLowerCase()) + 1;
  return Math.floor(Number(count) * (unit === undefined ? 1 : kilo ** power));
}
