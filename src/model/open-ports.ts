import type { OpenRule } from './firewall.ts';

type Place = Pick<OpenRule, 'address' | 'bridge' | 'through'>;
type Ports = Pick<OpenRule, 'protocol' | 'port' | 'count'>;

/** What opens ports of a container, each once, and neighbours together: a set of nft's takes no intervals that overlap. */
export function openPorts({ address, bridge, through }: Place, ports: readonly Ports[]): OpenRule[] {
  const found: Ports[] = [];
  for (const one of ports.toSorted((a, b) => a.port - b.port)) {
    const index = found.findIndex(({ protocol, port, count }) => protocol === one.protocol && port + count >= one.port);
    const other = found[index];
    if (other === undefined) found.push(one);
    else found[index] = { ...other, count: Math.max(other.port + other.count, one.port + one.count) - other.port };
  }
  return found.map(({ protocol, port, count }) => {
    const rule = { kind: 'firewall', meaning: 'open', protocol, address, port, count, bridge } as const;
    return through === undefined ? rule : { ...rule, through };
  });
}
