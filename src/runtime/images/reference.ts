import { EngineError } from '../../model/errors.ts';

/**
 * The name of an image in full: "docker.io/library/busybox" with a tag or a digest or both. The grammar and the short
 * forms are those of github.com/distribution/reference.
 */
export interface Reference {
  /** With its domain: "docker.io/library/busybox" */
  readonly name: string;
  readonly tag?: string;
  /** "sha256:…" */
  readonly digest?: string;
}

const DEFAULT_DOMAIN = 'docker.io';
const OFFICIAL = 'library/';
const MAX_NAME = 255;

const DOMAIN_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = `(?:${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const TAG = '\\w[\\w.-]{0,127}';
const DIGEST = 'sha256:[0-9a-f]{64}';
const REFERENCE = new RegExp(`^(${DOMAIN}/${COMPONENT}(?:/${COMPONENT})*)(?::(${TAG}))?(?:@(${DIGEST}))?$`);

/** @throws EngineError invalidArgument in Docker's words */
export function parseReference(text: string): Reference {
  if (/^[0-9a-f]{64}$/.test(text)) {
    throw invalid(`invalid repository name (${text}), cannot specify 64-byte hexadecimal strings`);
  }
  const { domain, remainder } = splitDomain(text);
  const repository = remainder.split(/[:@]/)[0] ?? '';
  if (repository !== repository.toLowerCase()) {
    throw invalid(`invalid reference format: repository name (${repository}) must be lowercase`);
  }
  const [, name, tag, digest] = REFERENCE.exec(`${domain}/${remainder}`) ?? [];
  if (name === undefined) throw invalid('invalid reference format');
  if (name.length > MAX_NAME) throw invalid(`repository name must not be more than ${MAX_NAME} characters`);
  return { name, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) };
}

/** Adds ":latest" where there is neither tag nor digest. */
export function withDefaultTag(reference: Reference): Reference {
  return reference.tag === undefined && reference.digest === undefined ? { ...reference, tag: 'latest' } : reference;
}

/** In full: "docker.io/library/busybox:latest". */
export function formatReference(reference: Reference): string {
  return `${reference.name}${suffix(reference)}`;
}

/** As Docker shows it: "busybox:latest". */
export function familiarReference(reference: Reference): string {
  return `${familiarName(reference.name)}${suffix(reference)}`;
}

/** The shortest form that still means the same: "docker.io/host.example/a" must not become another host's image. */
export function familiarName(name: string): string {
  const prefix = [`${DEFAULT_DOMAIN}/${OFFICIAL}`, `${DEFAULT_DOMAIN}/`].find((part) => name.startsWith(part)) ?? '';
  const short = name.slice(prefix.length);
  const { domain, remainder } = splitDomain(short);
  return `${domain}/${remainder}` === name ? short : name;
}

/** A reference to tag with. @throws EngineError invalidArgument, also for one that carries a digest */
export function parseTag(repository: string, tag: string): Reference {
  const reference = parseReference(repository);
  if (reference.digest !== undefined) throw invalid('refusing to create a tag with a digest reference');
  const tagged = tag === '' ? withDefaultTag(reference) : parseReference(`${reference.name}:${tag}`);
  if (familiarReference({ name: tagged.name }) === 'sha256') {
    throw invalid('refusing to create an ambiguous tag using digest algorithm as name');
  }
  return tagged;
}

function suffix({ tag, digest }: Reference): string {
  return `${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

/** The first part is a domain when it looks like a host: has a dot, a port or capitals, or is localhost. */
function splitDomain(text: string): { domain: string; remainder: string } {
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(slash, 0));
  const isHost = slash > 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase());
  const domain = !isHost || first === 'index.docker.io' ? DEFAULT_DOMAIN : first;
  const remainder = isHost ? text.slice(slash + 1) : text;
  return {
    domain,
    remainder: domain === DEFAULT_DOMAIN && !remainder.includes('/') ? OFFICIAL + remainder : remainder,
  };
}

function invalid(message: string): EngineError {
  return new EngineError('invalidArgument', message);
}
