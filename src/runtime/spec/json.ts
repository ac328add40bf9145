/** RLIM_INFINITY (asm-generic/resource.h): a number that JavaScript's numbers do not hold. */
const NO_LIMIT = '18446744073709551615';

/** Of an rlimit, where -1 stands for no limit with us. */
const LIMITS = new Set(['soft', 'hard']);

/** ECMA's JSON.rawJSON, which TypeScript's library does not know yet: text that is written as it stands. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): object };

/** JSON for runc. */
export function encodeSpec(spec: object): string {
  return JSON.stringify(spec, (name, value: unknown) => (value === -1 && LIMITS.has(name) ? rawJSON(NO_LIMIT) : value));
}

/** The same, read back from containerd's record. The caller wrote it, and knows what it is. */
export function decodeSpec(text: string): unknown {
  return JSON.parse(text, (name, value: unknown) =>
    typeof value === 'number' && value > Number.MAX_SAFE_INTEGER && LIMITS.has(name) ? -1 : value,
  );
}
