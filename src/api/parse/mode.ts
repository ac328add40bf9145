import type { NetworkMode } from '../../model/container.ts';
import { invalid } from '../status.ts';

/** HostConfig.NetworkMode. @throws EngineError invalidArgument */
export function parseNetworkMode(text: string): NetworkMode {
  if (text === '' || text === 'default') return { kind: 'network', name: 'bridge' };
  if (text === 'host') return { kind: 'host' };
  if (text === 'none') return { kind: 'none' };
  if (text === 'container' || text.startsWith('container:')) {
    const container = text.slice('container:'.length);
    if (container === '') throw invalid('invalid network mode: invalid container format container:<name|id>');
    return { kind: 'container', container };
  }
  return { kind: 'network', name: text };
}

/** What a user gave that a shared network namespace has no room for. */
export interface SharedNetworkConflicts {
  readonly hostname: boolean;
  readonly links: boolean;
  readonly dns: boolean;
  readonly extraHosts: boolean;
  readonly published: boolean;
  readonly exposed: boolean;
}

/** @throws EngineError invalidArgument with Docker's words (moby: runconfig/errors.go) */
export function refuseConflicts(mode: NetworkMode, given: SharedNetworkConflicts): void {
  if (mode.kind === 'host' && given.links) {
    throw invalid(
      "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
    );
  }
  if (mode.kind !== 'container') return;
  const reasons: readonly [boolean, string][] = [
    [given.hostname, 'hostname and the network mode'],
    [given.links, "container type network can't be used with links. This would result in undefined behavior"],
    [given.dns, 'dns and the network mode'],
    [given.extraHosts, 'custom host-to-IP mapping and the network mode'],
    [given.published, 'port publishing and the container type network mode'],
    [given.exposed, 'port exposing and the container type network mode'],
  ];
  for (const [conflict, words] of reasons) if (conflict) throw invalid(`conflicting options: ${words}`);
}
