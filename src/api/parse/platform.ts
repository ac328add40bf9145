import { fitsPlatform, hostPlatform, parsePlatformName, platformName } from '../../model/platform.ts';
import type { Platform } from '../../model/registry.ts';
import { invalid } from '../status.ts';
import { Fields } from './fields.ts';
import { queryText } from './query.ts';

/**
 * What is to run must be made for this machine: "linux", "linux/amd64", or nothing is told.
 * @throws EngineError invalidArgument
 */
export function requireOwnPlatform(asked: string | undefined): void {
  if (asked === undefined) return;
  const own = hostPlatform();
  if (fitsPlatform(parsePlatformName(asked), own)) return;
  throw invalid(`--platform ${asked} is not supported by Fairway yet: this host runs ${platformName(own)}`);
}

/**
 * A platform as JSON, as requests about images have it: {"os":"linux","architecture":"arm64"}.
 * @returns undefined when none is asked for @throws EngineError invalidArgument in Docker's words (httputils.DecodePlatform)
 */
export function queryPlatform(query: URLSearchParams): Platform | undefined {
  const text = queryText(query, 'platform');
  if (text === undefined) return undefined;
  if (query.getAll('platform').length > 1) throw invalid('multiple platform parameters not supported');
  const fields = new Fields(parse(text), '');
  const [os, architecture, variant] = [fields.text('os'), fields.text('architecture'), fields.text('variant')];
  fields.close();
  if (os === '' || architecture === '') throw invalid('both OS and Architecture must be provided');
  return { os, architecture, variant };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(`failed to parse platform: ${error instanceof Error ? error.message : String(error)}`);
  }
}
