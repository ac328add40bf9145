import { invalid } from './status.ts';

/** An Engine API version; compared by `atLeast`, never as text: 1.9 is older than 1.24. */
export interface ApiVersion {
  readonly major: number;
  readonly minor: number;
}

/** Docker 28.5's; clients that know more are told, and speak this one. */
export const MAXIMUM_API = '1.51';
/** Docker 1.12's, the oldest that Docker 28 itself still answers. */
export const MINIMUM_API = '1.24';

/** @throws EngineError invalidArgument with Docker's words when this server does not speak the version */
export function parseApiVersion(text: string): ApiVersion {
  const version = split(text);
  if (!atLeast(version, MINIMUM_API)) {
    throw invalid(
      `client version ${text} is too old. Minimum supported API version is ${MINIMUM_API}, please upgrade your client to a newer version`,
    );
  }
  if (atLeast(version, MAXIMUM_API) && text !== MAXIMUM_API) {
    throw invalid(`client version ${text} is too new. Maximum supported API version is ${MAXIMUM_API}`);
  }
  return version;
}

/** What a client that names no version gets. */
export function newestApiVersion(): ApiVersion {
  return split(MAXIMUM_API);
}

/** @param text "1.44" */
export function atLeast(version: ApiVersion, text: string): boolean {
  const other = split(text);
  return version.major > other.major || (version.major === other.major && version.minor >= other.minor);
}

function split(text: string): ApiVersion {
  const [major = '0', minor = '0'] = text.split('.');
  return { major: Number(major), minor: Number(minor) };
}
