import type { ContainerView } from '../../engine/views.ts';
import type { ContainerStatus } from '../../model/container.ts';
import type { Mount } from '../../model/mount.ts';
import { type Filters, invalidValue } from '../parse/filters.ts';
import { renderPortList } from '../render/ports.ts';
import { invalid } from '../status.ts';

/** `docker ps --filter` knows these. */
const NAMES = [
  'ancestor',
  'before',
  'exited',
  'expose',
  'health',
  'id',
  'is-task',
  'isolation',
  'label',
  'name',
  'network',
  'publish',
  'since',
  'status',
  'volume',
];

const STATUSES: readonly (ContainerStatus | 'removing')[] = [
  'created',
  'running',
  'paused',
  'restarting',
  'removing',
  'exited',
  'dead',
];

const HEALTHS = ['none', 'starting', 'healthy', 'unhealthy'];

export interface ListQuery {
  readonly all: boolean;
  /** Only the newest ones; 0 or less: no limit */
  readonly limit: number;
  readonly filters: Filters;
}

/** What a filter names and only the engine can find. */
export interface ListReferences {
  /** A container's time of creation. @throws EngineError notFound */
  created(container: string): string;
  /** Ids of the images `ancestor` names */
  readonly ancestors: ReadonlySet<string>;
}

/** GET /containers/json: newest first (moby: daemon/list.go). @throws EngineError invalidArgument or notFound */
export function selectContainers(views: readonly ContainerView[], query: ListQuery, references: ListReferences) {
  const { filters, limit } = query;
  requireValues(filters.require(...NAMES));
  const newest = [...views].sort((a, b) => (a.container.created < b.container.created ? 1 : -1));
  const all = query.all || limit > 0 || filters.has('status');
  const matches = containerTest(filters, references);
  const chosen = newest.filter((view) => (all || isRunning(view)) && matches(view));
  return limit > 0 ? chosen.slice(0, limit) : chosen;
}

/** What `docker ps` lists without --all. */
function isRunning(view: ContainerView): boolean {
  return ['running', 'paused', 'restarting'].includes(view.container.state.status);
}

/** A value nobody could have meant is refused, rather than matching nothing. */
function requireValues(filters: Filters): void {
  for (const status of filters.get('status')) {
    if (!STATUSES.some((known) => known === status)) {
      const reason = `invalid value for state (${status}): must be one of ${STATUSES.join(', ')}`;
      throw invalid(`invalid filter 'status=${status}': ${reason}`);
    }
  }
  for (const health of filters.get('health')) {
    if (!HEALTHS.includes(health)) {
      const reason = `invalid value for health (${health}): must be one of ${HEALTHS.join(', ')}`;
      throw invalid(`invalid filter 'health=${health}': ${reason}`);
    }
  }
  for (const code of filters.get('exited')) if (!/^-?\d{1,9}$/.test(code)) throw invalidValue('exited', [code]);
  for (const name of ['publish', 'expose']) for (const port of filters.get(name)) parsePortFilter(name, port);
}

/** Everything that is looked up or compiled once stands before the test itself, which runs for every container. */
function containerTest(filters: Filters, references: ListReferences): (view: ContainerView) => boolean {
  const name = filters.pattern('name');
  const id = filters.pattern('id');
  const before = filters.get('before').map((reference) => references.created(reference));
  const since = filters.get('since').map((reference) => references.created(reference));
  const tasksOnly = filters.boolean('is-task') === true;
  return (view) => {
    const { container } = view;
    return (
      !tasksOnly &&
      id(container.id) &&
      (name(container.name) || name(`/${container.name}`)) &&
      filters.labels(container.spec.labels) &&
      filters.some('status', (status) => status === container.state.status) &&
      filters.some('health', (health) => health === (view.health?.status ?? 'none')) &&
      filters.some(
        'exited',
        (code) => container.state.status === 'exited' && Number(code) === container.state.exitCode,
      ) &&
      before.every((created) => container.created < created) &&
      since.every((created) => container.created > created) &&
      filters.some(
        'ancestor',
        (image) => image === container.spec.image || references.ancestors.has(container.imageId),
      ) &&
      matchesPlaces(view, filters)
    );
  };
}

/** Networks by name, id or the beginning of an id; ports as they are published now, or as they are exposed. */
function matchesPlaces(view: ContainerView, filters: Filters): boolean {
  const { spec } = view.container;
  return (
    filters.some('network', (network) =>
      view.networks.some(({ networkId, networkName }) => networkName === network || startsWith(networkId, network)),
    ) &&
    filters.some('volume', (path) =>
      view.container.mounts.some((mount) => sourceOf(mount) === path || mount.destination === path),
    ) &&
    filters.some('publish', (port) =>
      renderPortList(view).some(
        (entry) => entry.PublicPort !== undefined && inRange(port, 'publish', entry.PublicPort, entry.Type),
      ),
    ) &&
    filters.some('expose', (port) =>
      [
        ...spec.exposedPorts,
        ...spec.portBindings.map((binding) => `${binding.containerPort}/${binding.protocol}`),
      ].some((key) => inRange(port, 'expose', Number.parseInt(key, 10), key.split('/')[1] ?? 'tcp')),
    )
  );
}

/** A volume goes by its name. */
function sourceOf(mount: Mount): string {
  if (mount.type === 'volume') return mount.name;
  return mount.type === 'bind' ? mount.source : '';
}

/** A container on a network that does not exist yet has no id to begin with. */
function startsWith(id: string, prefix: string): boolean {
  return prefix !== '' && id.startsWith(prefix);
}

function inRange(filter: string, name: string, port: number, protocol: string): boolean {
  const wanted = parsePortFilter(name, filter);
  return wanted.protocol === protocol && port >= wanted.first && port <= wanted.last;
}

/** "80", "80/udp", "8000-8010/tcp": tcp is meant when none is named. @throws EngineError invalidArgument */
function parsePortFilter(name: string, text: string): { first: number; last: number; protocol: string } {
  const [, first, last, protocol = 'tcp'] = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
  if (first === undefined) throw invalid(`invalid filter '${name}=${text}'`);
  return { first: Number(first), last: Number(last ?? first), protocol };
}
