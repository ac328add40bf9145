import { EngineError, errorMessage } from '../../model/errors.ts';

/** What tar-stream says of what is no tar: a wrong sum, an unknown format, records of pax that make no sense. */
const NO_HEADER = /^Invalid (tar )?header|^Header exceeds max size/;

/** tar-stream's failures in the words of Go's archive/tar, which users of docker know. Others are returned as they are. */
export function tarError(error: unknown): unknown {
  const text = errorMessage(error);
  if (NO_HEADER.test(text)) return new EngineError('invalidArgument', 'archive/tar: invalid tar header');
  if (text === 'Unexpected end of data') return new EngineError('invalidArgument', 'unexpected EOF');
  return error;
}
