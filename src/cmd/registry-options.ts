import { isIP } from 'node:net';
import { EngineError } from '../model/errors.ts';

/** dockerd takes no path here: a mirror serves all of Docker Hub. @returns without a slash at its end */
export function parseMirror(text: string): string {
  const invalid = (why: string) => new EngineError('invalidArgument', `invalid mirror: ${why}`);
  if (!URL.canParse(text)) throw invalid(`unable to parse URI "${text}"`);
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol)) throw invalid(`unsupported scheme "${url.protocol.slice(0, -1)}" in "${text}"`);
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw invalid(`path, query, or fragment at end of the URI "${text}"`);
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid(`username/password not allowed in URI "${url.protocol}//xxxxx:xxxxx@${url.host}/"`);
  }
  return url.origin;
}

/** A host, a host with its port, or a range of addresses. */
export function parseInsecureRegistry(text: string): string {
  const host = text.replace(/^https?:\/\//, '').replace(/\/$/, '');
  const [, network, length] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(host) ?? [];
  if (network !== undefined) {
    const family = isIP(network);
    if (family !== 0 && Number(length) <= (family === 4 ? 32 : 128)) return host;
  } else if (/^[\w.-]+(:\d{1,5})?$|^\[[0-9a-fA-F:]+\](:\d{1,5})?$/.test(host) && !host.startsWith('-')) {
    return host.toLowerCase();
  }
  throw new EngineError('invalidArgument', `insecure registry ${text} is not valid: invalid host "${host}"`);
}

/** @param name the flag's, without dashes */
export function parseCount(name: string, text: string): number {
  if (/^\d{1,6}$/.test(text) && Number(text) > 0) return Number(text);
  throw new EngineError('invalidArgument', `invalid ${name.replaceAll('-', ' ')}: ${text}`);
}
