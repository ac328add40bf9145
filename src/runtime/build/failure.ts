import { EngineError } from '../../model/errors.ts';
import { parseJsonList } from '../images/changes.ts';
import type { Instruction } from './dockerfile.ts';
import { DEFAULT_SHELL, ownShell } from './environment.ts';
import { leadingFlags } from './flags.ts';
import { isMarker, textOf } from './heredoc.ts';
import type { Stage } from './plan.ts';

/** Why a build ended, in Docker's words. */
export interface BuildFailure {
  readonly message: string;
  /** The exit code of the command that failed; undefined: it was none */
  readonly code?: number;
  /** What failed with it */
  readonly command?: string;
  /** What of the context or a stage was to be copied, and is not there */
  readonly missing?: string;
}

/** A build that began and did not end well. */
export class BuildError extends EngineError {
  /** The exit code of the command that failed; 0: none did */
  readonly code: number;
  readonly failure: BuildFailure;
  /** Undefined: it failed before the first, or in a trigger of the base */
  readonly step: Instruction | undefined;

  constructor(failure: BuildFailure, step: Instruction | undefined) {
    super('internal', failure.message);
    this.name = 'BuildError';
    this.code = failure.code ?? 0;
    this.failure = failure;
    this.step = step;
  }
}

/** The second is a link to what is not there. */
const MISSING = /copier: (?:stat: |get: lstat )"\/?(.*?)".*: no such file or directory/;
/** The same link, when buildah finds that the process which was to read it has ended before it has that one's words (copier/copier.go) */
const LOST = /reading "[^"]*?\/(?:context|merged)\/(.*?)": error encoding request for copier subprocess: .*broken pipe/;

/**
 * @param words buildah's last ones
 * @param step at which it failed; undefined: before the first, or in a trigger of the base
 */
export function buildFailure(words: string, step: Instruction | undefined, stage: Stage | undefined): BuildFailure {
  const runtime = /runc create failed: (.*?)"?$/m.exec(words)?.[1];
  if (runtime !== undefined) {
    return { message: `OCI runtime create failed: runc create failed: ${runtime.replaceAll('\\"', '"')}` };
  }
  const status = /: while running runtime: exit status (\d+)$/m.exec(words)?.[1];
  if (status !== undefined) {
    const command = commandOf(words, step, stage);
    const code = Number(status);
    return { message: `The command '${command}' returned a non-zero code: ${status}`, code, command };
  }
  const reason = words
    .trim()
    .replace(/^Error: /, '')
    .replace(/^building at STEP ".*?": (?=[^"]*)/s, '');
  const copy = copyFailure(reason, step);
  if (copy !== undefined) return copy;
  const secret = /secret required but no secret with id (\S+) found/.exec(reason)?.[1];
  if (secret !== undefined) return { message: `secret ${secret}: not found` };
  return { message: userFailure(reason) ?? (reason === '' ? 'buildah ended without a word' : reason) };
}

function commandOf(words: string, step: Instruction | undefined, stage: Stage | undefined): string {
  if (step?.name !== 'RUN' || stage === undefined) return /at STEP "RUN (.*)": while/s.exec(words)?.[1] ?? '';
  const args = step.args.slice(leadingFlags(step.args).length);
  const list = parseJsonList(args);
  if (list !== undefined) return list.join(' ');
  const [document] = step.heredocs;
  const script = document !== undefined && isMarker(args.trim()) ? textOf(document).trimEnd() : args;
  return [...(ownShell(stage, step) ?? DEFAULT_SHELL), script].join(' ');
}

function copyFailure(reason: string, step: Instruction | undefined): BuildFailure | undefined {
  if (step?.name !== 'COPY' && step?.name !== 'ADD') return undefined;
  const missing = MISSING.exec(reason)?.[1] ?? LOST.exec(reason)?.[1];
  if (missing === undefined)
    return /matched nothing/.test(reason)
      ? { message: `${step.name} failed: no source files were specified` }
      : undefined;
  const why = step.args.startsWith('--from=') ? '' : 'file not found in build context or excluded by .dockerignore: ';
  return { message: `${step.name} failed: ${why}stat ${missing}: file does not exist`, missing };
}

function userFailure(reason: string): string | undefined {
  const user = /unknown user error looking up user "(.*?)"/.exec(reason)?.[1];
  return user === undefined ? undefined : `unable to find user ${user}: no matching entries in passwd file`;
}
