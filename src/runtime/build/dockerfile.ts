import { EngineError } from '../../model/errors.ts';
import { withUsableFlags } from './flags.ts';
import { type Heredoc, isMarker, rawWords, readHeredocs } from './heredoc.ts';
import { parseError } from './parse-error.ts';

/** One instruction, on one line however many it was written on. */
export interface Instruction {
  /** In capitals */
  readonly name: string;
  /** Everything behind the name */
  readonly args: string;
  /** As it was written, continued lines joined: shown as the step */
  readonly text: string;
  /** Where it begins, from 1 */
  readonly line: number;
  readonly lastLine: number;
  /** Lines that follow it and are its own */
  readonly heredocs: readonly Heredoc[];
}

/** A Dockerfile as far as a builder must understand it to say what goes on; what instructions mean is buildah's. */
export interface Dockerfile {
  /** ARG instructions before the first FROM */
  readonly arguments: readonly Instruction[];
  /** The first instruction of each is its FROM */
  readonly stages: readonly (readonly Instruction[])[];
  /** What continues lines: backslash, or what `# escape=` says */
  readonly escape: string;
}

const NAMES = new Set(
  `ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME
   WORKDIR`.split(/\s+/),
);
/** Files people write have some kB; the parser holds it in memory several times. */
export const LARGEST_DOCKERFILE = 1 << 20;

/**
 * @throws EngineError invalidArgument in Docker's words; see
 * https://docs.docker.com/reference/dockerfile/#format for the syntax
 */
export function parseDockerfile(source: string, path: string): Dockerfile {
  if (source === '') throw invalid(`the Dockerfile (${path}) cannot be empty`);
  const lines = source.replace(/^\uFEFF/, '').split(/\r?\n/);
  const mark = escapeDirective(lines);
  const argumentsBefore: Instruction[] = [];
  const stages: Instruction[][] = [];
  for (const instruction of instructions(lines, mark)) {
    check(instruction);
    const stage = stages.at(-1);
    if (instruction.name === 'FROM') stages.push([instruction]);
    else if (stage !== undefined) stage.push(instruction);
    else if (instruction.name === 'ARG') argumentsBefore.push(instruction);
    else throw parseError(instruction.line, 'no build stage in current context');
  }
  if (stages.length === 0 && argumentsBefore.length === 0) throw invalid('file with no instructions');
  if (stages.length === 0) throw invalid('no build stage in current context');
  return { arguments: argumentsBefore, stages, escape: mark };
}

/** Directives stand before everything else, one a line. */
function escapeDirective(lines: readonly string[]): string {
  for (const line of lines) {
    const [, name = '', value = ''] = /^\s*#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$/.exec(line) ?? [];
    if (name === '') break;
    if (name.toLowerCase() !== 'escape') continue;
    if (value !== '\\' && value !== '`') throw invalid(`invalid ESCAPE '${value}'. Must be \` or \\`);
    return value;
  }
  return '\\';
}

function* instructions(lines: readonly string[], mark: string): Generator<Instruction> {
  const continued = mark === '\\' ? /\\[ \t]*$/ : /`[ \t]*$/;
  let text = '';
  let begin = 0;
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? '';
    // Comments and empty lines may stand in the middle of a continued line.
    if (line.trim() === '' || /^\s*#/.test(line)) continue;
    if (text === '') begin = index + 1;
    const goesOn = continued.test(line);
    text += goesOn ? line.replace(continued, '') : line;
    if (goesOn) continue;
    const read = instruction(text.trim(), begin, lines, index + 1);
    yield read;
    index = read.lastLine - 1;
    text = '';
  }
  if (text.trim() !== '') yield instruction(text.trim(), begin, lines, lines.length);
}

/** @param next index of the line behind it */
function instruction(text: string, line: number, lines: readonly string[], next: number): Instruction {
  const [, word = '', args = ''] = /^(\S+)\s*(.*)$/s.exec(text) ?? [];
  const name = word.toUpperCase();
  if (!/^(RUN|COPY|ADD)$/.test(name)) return { name, args, text, line, lastLine: next, heredocs: [] };
  const { heredocs, next: lastLine } = readHeredocs(args, lines, next);
  return { name, args: withUsableFlags(name, args, line), text, line, lastLine, heredocs };
}

/** @throws EngineError invalidArgument in Docker's words (buildkit, frontend/dockerfile/instructions) */
function check({ name, args, text, line, heredocs }: Instruction): void {
  if (!NAMES.has(name)) throw parseError(line, `unknown instruction: ${text.split(/\s/)[0]}`);
  if (args === '')
    throw parseError(
      line,
      `${name} requires ${name === 'ARG' || name === 'ENV' ? 'at least one argument' : 'arguments'}`,
    );
  if (name === 'FROM') fromParts(args, line);
  if (name === 'RUN' || heredocs.length === 0) return;
  const files = rawWords(args)
    .filter((word) => !word.startsWith('--'))
    .slice(0, -1);
  if (!files.every(isMarker))
    throw parseError(line, `${name} of here-documents and files is not supported by Fairway yet`);
}

export interface From {
  readonly platform: string;
  readonly image: string;
  /** '' for a stage without a name */
  readonly name: string;
}

/** "--platform=linux/amd64 image AS name". @throws EngineError invalidArgument */
export function fromParts(args: string, line: number): From {
  const words = args.split(/\s+/);
  const flags = words.filter((word) => word.startsWith('--'));
  const [image = '', as, name = '', ...more] = words.filter((word) => !word.startsWith('--'));
  if (image === '' || more.length > 0 || (as !== undefined && (as.toUpperCase() !== 'AS' || name === ''))) {
    throw parseError(line, 'FROM requires either one or three arguments');
  }
  const other = flags.find((flag) => !flag.startsWith('--platform='));
  if (other !== undefined) throw parseError(line, `unknown flag: ${other.split('=')[0]}`);
  if (name !== '' && !/^[a-z][a-z0-9-_.]*$/i.test(name)) {
    throw parseError(
      line,
      `invalid name for build stage: "${name}", name can't start with a number or contain symbols`,
    );
  }
  return { platform: flags.at(-1)?.slice('--platform='.length) ?? '', image, name };
}

function invalid(message: string): EngineError {
  return new EngineError('invalidArgument', message);
}
