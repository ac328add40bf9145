import { EngineError } from '../../model/errors.ts';

/** Looks a variable up; undefined when it is not set. */
export type Variables = (name: string) => string | undefined;

/**
 * Splits a line of a Dockerfile into words as a shell would: blanks separate, quotes and backslashes protect, $NAME and
 * ${NAME}, ${NAME:-default} and ${NAME:+alternative} are replaced outside single quotes.
 * https://docs.docker.com/reference/dockerfile/#environment-replacement
 *
 * @throws EngineError invalidArgument for an open quote or brace
 */
export function splitWords(line: string, variables: Variables): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let rest = line;
  while (rest !== '') {
    const blank = /^\s+/.exec(rest);
    if (blank !== null) {
      if (word !== undefined) words.push(word);
      word = undefined;
      rest = rest.slice(blank[0].length);
      continue;
    }
    const piece = takePiece(rest, variables);
    word = (word ?? '') + piece.text;
    rest = rest.slice(piece.length);
  }
  if (word !== undefined) words.push(word);
  return words;
}

interface Piece {
  readonly text: string;
  /** How much of the line it took */
  readonly length: number;
}

function takePiece(line: string, variables: Variables): Piece {
  const first = line[0];
  if (first === "'") return takeSingleQuoted(line);
  if (first === '"') return takeDoubleQuoted(line, variables);
  if (first === '\\') return { text: line[1] ?? '', length: 2 };
  if (first === '$') return takeVariable(line, variables);
  const plain = /^[^\s'"\\$]+/.exec(line)?.[0] ?? '';
  return { text: plain, length: plain.length };
}

function takeSingleQuoted(line: string): Piece {
  const end = line.indexOf("'", 1);
  if (end < 0) throw unterminated("'");
  return { text: line.slice(1, end), length: end + 1 };
}

/** Inside double quotes a backslash protects only a quote, a dollar and itself. */
function takeDoubleQuoted(line: string, variables: Variables): Piece {
  let text = '';
  let position = 1;
  while (line[position] !== '"') {
    const rest = line.slice(position);
    const escaped = /^\\(["$\\])/.exec(rest)?.[1];
    const piece: Piece =
      escaped !== undefined
        ? { text: escaped, length: 2 }
        : rest.startsWith('$')
          ? takeVariable(rest, variables)
          : { text: rest.slice(0, 1), length: 1 };
    if (rest === '') throw unterminated('"');
    text += piece.text;
    position += piece.length;
  }
  return { text, length: position + 1 };
}

function takeVariable(line: string, variables: Variables): Piece {
  const plain = /^\$([A-Za-z_]\w*)/.exec(line);
  if (plain !== null) return { text: variables(plain[1] ?? '') ?? '', length: plain[0].length };
  if (!line.startsWith('${')) return { text: '$', length: 1 };
  const braced = /^\$\{([A-Za-z_]\w*)(?::([-+])([^}]*))?\}/.exec(line);
  if (braced === null) throw new EngineError('invalidArgument', `failed to process "${line}": bad substitution`);
  const [all, name = '', operator, word = ''] = braced;
  const value = variables(name) ?? '';
  if (operator === '-') return { text: value === '' ? word : value, length: all.length };
  if (operator === '+') return { text: value === '' ? '' : word, length: all.length };
  return { text: value, length: all.length };
}

function unterminated(quote: string): EngineError {
  return new EngineError('invalidArgument', `unexpected end of statement while looking for matching ${quote}`);
}
