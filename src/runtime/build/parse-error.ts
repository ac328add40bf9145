import { EngineError } from '../../model/errors.ts';

/** What is wrong with a Dockerfile, in Docker's words. @param line from 1 */
export function parseError(line: number, message: string): EngineError {
  return new EngineError('invalidArgument', `dockerfile parse error on line ${line}: ${message}`);
}
