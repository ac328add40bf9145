import type { ContainerView } from '../../engine/views.ts';
import type { PortBinding } from '../../model/container.ts';
import type { PublishedPort } from '../../model/network.ts';

/** One published port as `docker ps` lists it. */
export interface PortSummary {
  readonly IP?: string;
  readonly PrivatePort: number;
  readonly PublicPort?: number;
  readonly Type: string;
}

/** The host's end of a published port, as texts: "" is any. */
interface HostSide {
  readonly HostIp: string;
  readonly HostPort: string;
}

/** HostConfig.PortBindings: as the user asked. */
export function renderPortBindings(bindings: readonly PortBinding[]): Record<string, HostSide[]> {
  return grouped(
    bindings.map(({ protocol, containerPort, hostAddress = '', hostPorts }): [string, HostSide] => [
      `${containerPort}/${protocol}`,
      { HostIp: hostAddress, HostPort: renderRange(hostPorts) },
    ]),
  );
}

/** "", "8080" or "8080-8090". */
function renderRange(ports: PortBinding['hostPorts']): string {
  if (ports === undefined) return '';
  return ports.first === ports.last ? String(ports.first) : `${ports.first}-${ports.last}`;
}

/** NetworkSettings.Ports: as it is now; null for what is exposed and not published. Empty while nothing runs. */
export function renderPortMap(view: ContainerView): Record<string, HostSide[] | null> {
  if (view.sandboxId === '' && view.ports.length === 0) return {};
  const exposed = view.container.spec.exposedPorts.map((key): [string, null] => [key, null]);
  const published = grouped(
    view.ports
      .flatMap(each)
      .map(({ protocol, containerPort, hostAddress, hostPort }): [string, HostSide] => [
        `${containerPort}/${protocol}`,
        { HostIp: hostAddress, HostPort: hostPort === 0 ? '' : String(hostPort) },
      ]),
  );
  return { ...Object.fromEntries(exposed), ...published };
}

/** Ports of `docker ps`: published ones, then what is only exposed, while the container runs. */
export function renderPortList(view: ContainerView): PortSummary[] {
  const published = view.ports.flatMap(each).map((port) => ({
    IP: port.hostAddress as string,
    PrivatePort: port.containerPort,
    ...(port.hostPort === 0 ? {} : { PublicPort: port.hostPort }),
    Type: port.protocol,
  }));
  const taken = new Set(published.map((port) => `${port.PrivatePort}/${port.Type}`));
  const running = view.sandboxId !== '' || view.ports.length > 0;
  const exposed = running ? view.container.spec.exposedPorts.filter((key) => !taken.has(key)) : [];
  return [...published, ...exposed.map(exposedPort)];
}

function exposedPort(key: string): PortSummary {
  const [port = '', protocol = ''] = key.split('/');
  return { PrivatePort: Number(port), Type: protocol };
}

/** A range is one thing to the firewall and many to Docker's clients. */
function each(port: PublishedPort): PublishedPort[] {
  return Array.from({ length: port.count }, (_, index) => ({
    ...port,
    containerPort: port.containerPort + index,
    hostPort: port.hostPort === 0 ? 0 : port.hostPort + index,
    count: 1,
  }));
}

/** Keys in the order they first appear, values in theirs. */
function grouped<T>(pairs: readonly [string, T][]): Record<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const [key, value] of pairs) groups.set(key, [...(groups.get(key) ?? []), value]);
  return Object.fromEntries(groups);
}
