/** What a registry wants to see: `Bearer realm="https://…",service="…",scope="…"` (RFC 7235, RFC 6750). */
export interface Challenge {
  /** In lower case: "bearer", "basic" */
  readonly scheme: string;
  /** Names in lower case */
  readonly parameters: ReadonlyMap<string, string>;
}

/** A word, which is a scheme, or a word with a value, which is a parameter of the scheme before it. */
const PART = /([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?[\s,]*/y;

/** All challenges of a WWW-Authenticate header, several of which may have been joined by commas. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  PART.lastIndex = 0;
  for (let part = PART.exec(header); part !== null; part = PART.exec(header)) {
    const [, word = '', quoted, plain] = part;
    const value = quoted?.replace(/\\(.)/g, '$1') ?? plain;
    if (value === undefined) challenges.push({ scheme: word.toLowerCase(), parameters: new Map() });
    else challenges.at(-1)?.parameters.set(word.toLowerCase(), value);
  }
  return challenges;
}
