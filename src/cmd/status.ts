import type { EngineStatus, PlanLine } from '../engine/system-views.ts';
import { counted, duration, table } from './table.ts';

/** `fairway status`: daemon, networks, endpoints, ports and drift at a glance. */
export function renderStatus(status: EngineStatus): string {
  const megabytes = (status.memory / 2 ** 20).toFixed(0);
  const sections = [
    `Fairway ${status.version}, PID ${status.pid}, up ${duration(status.uptime)}, ${megabytes} MiB`,
    section('Networks', ['NAME', 'DRIVER', 'BRIDGE', 'SUBNET', 'GATEWAY', 'ENDPOINTS'], networkRows(status)),
    section('Endpoints', ['CONTAINER', 'NETWORK', 'LINK', 'ADDRESS', 'MAC', ''], endpointRows(status)),
    section('Overlaps', ['NETWORK', 'SUBNET', 'WITH THE HOST’S'], overlapRows(status)),
    section('Published ports', ['CONTAINER', 'HOST', 'CONTAINER PORT'], portRows(status)),
    renderDns(status.dns),
    renderDrops(status.drops),
    renderDrift(status.drift),
  ];
  return `${sections.filter((text) => text !== '').join('\n\n')}\n`;
}

/** `fairway plan`: what a reconcile would do, one step a line. */
export function renderPlan(plan: readonly PlanLine[]): string {
  if (plan.length === 0) return 'Nothing to do: the kernel agrees with what is wanted.\n';
  const signs = { create: '+', update: '~', remove: '-' } as const;
  const lines = plan.map((step) => `${signs[step.action]} ${step.action} ${step.resource}: ${step.because}`);
  return `${lines.join('\n')}\n${counted(plan.length, 'step')}\n`;
}

/** A table under its title, indented by two; '' for one without rows. */
function section(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? '' : `${title}\n${table(head, rows).replace(/^/gm, '  ')}`;
}

/** What a driver does not have (host and none have neither bridge nor subnet) is "-". */
function networkRows(status: EngineStatus): string[][] {
  return status.networks.map((network) => [
    network.name,
    network.driver,
    network.bridge ?? '-',
    network.subnet ?? '-',
    network.gateway ?? '-',
    String(network.endpoints),
  ]);
}

function endpointRows(status: EngineStatus): string[][] {
  return status.endpoints.map((endpoint) => [
    endpoint.container,
    endpoint.network,
    endpoint.link,
    endpoint.address,
    endpoint.mac,
    endpoint.defaultRoute ? 'default route' : '',
  ]);
}

/** `fairway renumber NETWORK` shows a way out. */
function overlapRows(status: EngineStatus): string[][] {
  return status.overlaps.map((overlap) => [overlap.network, overlap.subnet, overlap.with]);
}

function portRows(status: EngineStatus): string[][] {
  return status.ports.map((port) => [
    port.container,
    `${port.host}:${range(port.hostPort, port.count)}`,
    `${range(port.containerPort, port.count)}/${port.protocol}`,
  ]);
}

/** What became of the questions, and the servers that were asked, each from where it is asked. */
function renderDns({
  questions,
  answered,
  cached,
  forwarded,
  failed,
  refused,
  upstreams,
}: EngineStatus['dns']): string {
  const counts = `${answered} known, ${cached} from the cache, ${forwarded} forwarded, ${failed} failed, ${refused} refused`;
  const rows = upstreams.map((server) => [
    server.server,
    server.from,
    server.healthy ? 'answers' : 'fails',
    server.latency === undefined ? '-' : `${server.latency.toFixed(1)} ms`,
    String(server.asked),
    String(server.failed),
  ]);
  const servers = section('', ['SERVER', 'FROM', 'STATE', 'LATENCY', 'ASKED', 'FAILED'], rows);
  return `DNS: ${counted(questions, 'question')}: ${counts}${servers}`;
}

/** As `-p` takes it: "8080", or "7000-7499" for several. */
function range(first: number, count: number): string {
  return count === 1 ? String(first) : `${first}-${first + count - 1}`;
}

/** By the reasons the firewall's table counts them by. */
function renderDrops(drops: EngineStatus['drops']): string {
  const counts = Object.entries(drops).filter(([, count]) => count > 0);
  const reasons = counts.map(([reason, count]) => `${count} ${reason}`).join(', ');
  return `Dropped packets: ${reasons === '' ? 'none' : reasons}`;
}

/** What a reconcile would change now, what has to wait, and what was mended last. One line when there is none of it. */
function renderDrift({ pending, contested, repairs, last }: EngineStatus['drift']): string {
  const drift =
    pending.length === 0
      ? 'Drift: none, the kernel agrees with what is wanted'
      : `Drift: ${counted(pending.length, 'step')} wanted\n${pending.map((line) => `  ${line}`).join('\n')}`;
  const mended =
    last === undefined ? '' : `\nLast repair (${counted(repairs, 'repair')} since the start): ${last.at} ${last.text}`;
  const quarrels = contested.map((one) => `\n  ${renderContested(one)}`).join('');
  return `${drift}${quarrels === '' ? '' : `\nContested:${quarrels}`}${mended}`;
}

function renderContested({
  resource,
  times,
  since,
  next,
  failure,
}: EngineStatus['drift']['contested'][number]): string {
  const what =
    failure === undefined
      ? `somebody undoes it, mended ${counted(times, 'time')}`
      : `cannot be mended (${failure}), tried ${counted(times, 'time')}`;
  return `${resource}: ${what} since ${since}, not again before ${next}`;
}
