import type { Variables } from '../images/words.ts';
import { parseError } from './parse-error.ts';

/** Lines that follow an instruction and belong to it (buildkit, frontend/dockerfile/parser, Heredoc). */
export interface Heredoc {
  /** Its last line, and a file's name for COPY */
  readonly name: string;
  /** The lines between, each with its newline */
  readonly content: string;
  /** Variables in it are replaced where a builder makes a file of it: its name has no quotes */
  readonly expand: boolean;
  /** "<<-": tabs at the beginning of its lines do not count */
  readonly strip: boolean;
}

type Marker = Omit<Heredoc, 'content'>;

const WORD = /(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs;
const MARKER = /^\d*<<(-?)([^<]+)$/;
/** A file's: it becomes one. */
const NAME = /^\w[\w.-]*$/;

/** A word that begins one: "<<EOF", "<<-'end'"; undefined for any other. */
function marker(word: string): Marker | undefined {
  const [, strip, raw = ''] = MARKER.exec(word) ?? [];
  const name = raw.replaceAll(/["']/g, '');
  return !NAME.test(name) ? undefined : { name, expand: name === raw, strip: strip === '-' };
}

/** Words as a shell separates them, quotes kept. */
export function rawWords(text: string): string[] {
  return [...text.matchAll(WORD)].map(([word]) => word);
}

export function isMarker(word: string): boolean {
  return marker(word) !== undefined;
}

/**
 * Reads what belongs to an instruction.
 * @param args of the instruction @param from index of the line behind it
 * @returns with the index of the line behind the last one
 * @throws EngineError invalidArgument when one has no end
 */
export function readHeredocs(
  args: string,
  lines: readonly string[],
  from: number,
): { readonly heredocs: readonly Heredoc[]; readonly next: number } {
  const heredocs: Heredoc[] = [];
  let next = from;
  for (const word of rawWords(args)) {
    const begun = marker(word);
    if (begun === undefined) continue;
    let end = next;
    while (end < lines.length && !isEnd(lines[end] ?? '', begun)) end++;
    if (end === lines.length) {
      throw parseError(from, 'unterminated heredoc');
    }
    heredocs.push({
      ...begun,
      content: lines
        .slice(next, end)
        .map((line) => `${line}\n`)
        .join(''),
    });
    next = end + 1;
  }
  return { heredocs, next };
}

function isEnd(line: string, { name, strip }: Marker): boolean {
  return (strip ? line.replace(/^\t+/, '') : line) === name;
}

/** Its content as a file has it. */
export function textOf({ content, strip }: Heredoc): string {
  return strip ? content.replaceAll(/^\t+/gm, '') : content;
}

/** Replaces variables; quotes are text like any other (buildkit, shell.Lex with SkipProcessQuotes). */
export function expandText(text: string, variables: Variables): string {
  return text.replaceAll(
    /\\(.)|\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::([-+])([^}]*))?\})/gs,
    (_, escaped?: string, plain?: string, braced?: string, operator?: string, word = '') => {
      if (escaped !== undefined) return escaped;
      const value = variables(plain ?? braced ?? '') ?? '';
      if (operator === '-') return value === '' ? word : value;
      if (operator === '+') return value === '' ? '' : word;
      return value;
    },
  );
}
