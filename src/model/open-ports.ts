import type { PublishedPort } from './network.ts';
import type { TransportProtocol } from './resource.ts';

/** Ports of a container that lie side by side. */
export interface PortInterval {
  readonly protocol: TransportProtocol;
  readonly first: number;
  readonly last: number;
}

/** Ports of a container that are published, each once, and neighbours together: a set of nft's takes no intervals that overlap. */
export function mergePorts(
  ports: readonly Pick<PublishedPort, 'protocol' | 'containerPort' | 'count'>[],
): PortInterval[] {
  const intervals = ports.map(({ protocol, containerPort, count }): PortInterval => {
    return { protocol, first: containerPort, last: containerPort + count - 1 };
  });
  const found: PortInterval[] = [];
  for (const one of intervals.toSorted((a, b) => a.first - b.first)) {
    const index = found.findIndex(({ protocol, last }) => protocol === one.protocol && last >= one.first - 1);
    const other = found[index];
    if (other === undefined) found.push(one);
    else found[index] = { ...other, last: Math.max(other.last, one.last) };
  }
  return found;
}
