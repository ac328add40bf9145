import { isChild, type LinkResource, type Resource } from '../model/resource.ts';

/** "mtu is 1400, wanted 1500" for each field that differs in the kernel; '' when none does. */
export function difference(observed: Resource, wished: Resource): string {
  const is = kernelFields(observed);
  const wanted = kernelFields(wished);
  const names = new Set([...is.keys(), ...wanted.keys()]);
  return [...names]
    .filter((name) => is.get(name) !== wanted.get(name))
    .map((name) => `${name} is ${is.get(name) ?? 'not set'}, wanted ${wanted.get(name) ?? 'none'}`)
    .join('; ');
}

/**
 * What cannot be changed into the wished one: a link of another type or with its other end elsewhere, a route, whose
 * old link may be going at the same time, and a port of a switch.
 */
export function mustBeRemade(observed: Resource, wished: Resource): boolean {
  if (observed.kind === 'route' || observed.kind === 'switch-port') return difference(observed, wished) !== '';
  if (observed.kind !== 'link' || wished.kind !== 'link') return false;
  if (observed.type !== wished.type || isHalfBorn(observed)) return true;
  const fixed = observed.type === 'veth' ? isOfPeer : isChild(observed) ? isAtBirth : undefined;
  if (fixed === undefined) return false;
  const is = kernelFields(observed);
  return [...kernelFields(wished)].some(([name, value]) => fixed(name) && is.get(name) !== value);
}

/** Born in several steps, of which the last two are missing: that it is up, and that it bears a mark. */
function isHalfBorn(link: LinkResource): boolean {
  return link.marked === false && !link.up && (link.type === 'veth' || isChild(link));
}

/** Of the other end MTU and MAC address can be changed from here. */
function isOfPeer(field: string): boolean {
  return field.startsWith('peer.') && field !== 'peer.mtu' && field !== 'peer.mac';
}

/** What a link that hangs from another one is told when it is made. */
function isAtBirth(field: string): boolean {
  return ['parent', 'mode', 'flag', 'id'].includes(field);
}

/** All fields as text, nested ones as "peer.name". `adopt` and `announce` say how to treat a thing, not how it is. */
function kernelFields(resource: Resource): Map<string, string> {
  const fields = new Map<string, string>();
  const add = (prefix: string, value: object): void => {
    for (const [name, field] of Object.entries(value) as [string, unknown][]) {
      if (name === 'adopt' || name === 'announce' || field === undefined) continue;
      if (typeof field === 'object' && field !== null) add(`${prefix}${name}.`, field);
      else fields.set(prefix + name, String(field));
    }
  };
  add('', resource);
  return fields;
}
