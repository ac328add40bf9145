import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { RegistryConfig } from '../../model/registry.ts';
import { bareHost, isWithin } from './proxy.ts';

/** One way to reach a registry. */
export interface Endpoint {
  /** Scheme, host and port */
  readonly base: URL;
  /** False: certificates are not checked */
  readonly verify: boolean;
  /** Holds what Docker Hub holds; never gets the user's credentials for it */
  readonly mirror: boolean;
}

export const HUB = 'docker.io';
const HUB_HOST = 'registry-1.docker.io';
/** Insecure unless told otherwise, as in Docker */
const LOOPBACK = ['127.0.0.0/8', '::1/128'];

/**
 * The ways to a registry, in the order they are tried: mirrors, https, and for insecure ones http.
 *
 * @param domain as in an image's name: "docker.io", "localhost:5000"
 */
export async function endpointsOf(
  domain: string,
  config: RegistryConfig,
  purpose: 'pull' | 'push',
): Promise<Endpoint[]> {
  if (domain !== HUB) return ownEndpoints(domain, config);
  const mirrors = purpose === 'pull' ? await Promise.all(config.mirrors.map((url) => mirrorEndpoint(url, config))) : [];
  return [...mirrors, { base: new URL(`https://${HUB_HOST}`), verify: true, mirror: false }];
}

async function ownEndpoints(domain: string, config: RegistryConfig): Promise<Endpoint[]> {
  const verify = !(await isInsecure(domain, config.insecure));
  const https = { base: new URL(`https://${domain}`), verify, mirror: false };
  return verify ? [https] : [https, { ...https, base: new URL(`http://${domain}`) }];
}

async function mirrorEndpoint(text: string, config: RegistryConfig): Promise<Endpoint> {
  const base = new URL(text);
  return { base, verify: !(await isInsecure(base.host, config.insecure)), mirror: true };
}

/** By name, or because one of its addresses lies in a range that was named. */
async function isInsecure(domain: string, insecure: readonly string[]): Promise<boolean> {
  if (insecure.includes(domain)) return true;
  const host = bareHost(new URL(`https://${domain}`));
  const ranges = [...LOOPBACK, ...insecure].flatMap((text) => {
    const [, network, length] = /^([0-9a-fA-F.:]+)\/(\d{1,3})$/.exec(text) ?? [];
    return network === undefined ? [] : [{ network, length: Number(length) }];
  });
  const addresses = isIP(host) === 0 ? await addressesOf(host) : [host];
  return addresses.some((address) => ranges.some(({ network, length }) => isWithin(address, network, length)));
}

/** None when the name is not known: the request will say so. */
async function addressesOf(host: string): Promise<string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch {
    return [];
  }
}
