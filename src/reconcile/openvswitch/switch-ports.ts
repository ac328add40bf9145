import { completeChecksums } from '../../kernel/offload.ts';
import { EngineError } from '../../model/errors.ts';
import type { NamespaceName, SwitchPortResource } from '../../model/resource.ts';
import type { Applier, Change } from '../applier.ts';
import type { Places } from '../places.ts';
import { type Operation, Ovsdb } from './ovsdb.ts';

/** Marks our ports in the database, and holds what else must be known of them: "sandbox:1a2b eth0" */
const MARK = 'fairway';

type Row = Readonly<Record<string, unknown>>;

/**
 * Links of the host as ports of Open vSwitch bridges. The bridges are somebody else's; what we add to them bears our mark in the
 * port's external_ids, and nothing else is touched.
 */
export class SwitchPorts implements Applier<SwitchPortResource> {
  readonly #places: Places;
  readonly #database: Ovsdb;

  /** @param socket path of the database server's */
  constructor(places: Places, socket: string) {
    this.#places = places;
    this.#database = new Ovsdb(socket);
  }

  /** @returns nothing where no Open vSwitch runs: nothing can be told of its ports then, nor are they ports of anything */
  observe(): SwitchPortResource[] {
    let bridges: readonly Row[];
    let ports: readonly Row[];
    try {
      [bridges = [], ports = []] = this.#database
        .transact(
          { op: 'select', table: 'Bridge', where: [], columns: ['name', 'ports'] },
          { op: 'select', table: 'Port', where: [], columns: ['_uuid', 'name', 'tag', 'external_ids'] },
        )
        .map(({ rows = [] }) => rows);
    } catch (error) {
      if (error instanceof EngineError && error.kind === 'unavailable') return [];
      throw error;
    }
    return ports.flatMap((port) => readPort(port, bridges));
  }

  /** @throws EngineError unavailable when no Open vSwitch answers; notFound when a bridge is not there */
  apply(changes: readonly Change<SwitchPortResource>[]): void {
    for (const { before } of changes) if (before !== undefined) this.#remove(before);
    for (const { after } of changes) if (after !== undefined) this.#add(after);
  }

  #add({ bridge, link, tag, inner }: SwitchPortResource): void {
    const port = {
      name: link,
      interfaces: ['named-uuid', 'interface'],
      external_ids: ['map', [[MARK, `${inner.namespace} ${inner.link}`]]],
      ...(tag === undefined ? {} : { tag }),
    };
    const [, , added] = this.#database.transact(
      { op: 'insert', table: 'Interface', row: { name: link }, 'uuid-name': 'interface' },
      { op: 'insert', table: 'Port', row: port, 'uuid-name': 'port' },
      mutatePorts(['name', '==', bridge], 'insert', ['named-uuid', 'port']),
      BUMP,
    );
    if (added?.count !== 1) throw new EngineError('notFound', `Open vSwitch has no bridge ${bridge}`);
    if (this.#isInUserSpace(bridge)) completeChecksums(this.#places.at(inner.namespace).namespace, inner.link);
  }

  /** The database takes away rows that nothing refers to. One that is gone already is fine. */
  #remove({ link }: SwitchPortResource): void {
    const [found] = this.#database.transact({
      op: 'select',
      table: 'Port',
      where: [['name', '==', link]],
      columns: ['_uuid'],
    });
    const id = found?.rows?.[0]?.['_uuid'];
    if (id === undefined) return;
    this.#database.transact(mutatePorts(['ports', 'includes', id], 'delete', id), BUMP);
  }

  /** "netdev": the switch reads packets from the links itself, without the kernel's own datapath. */
  #isInUserSpace(bridge: string): boolean {
    const where = [['name', '==', bridge]];
    const [found] = this.#database.transact({ op: 'select', table: 'Bridge', where, columns: ['datapath_type'] });
    return found?.rows?.[0]?.['datapath_type'] === 'netdev';
  }
}

/** Tells ovs-vswitchd that there is something new to read. */
const BUMP: Operation = { op: 'mutate', table: 'Open_vSwitch', where: [], mutations: [['next_cfg', '+=', 1]] };

function mutatePorts(where: unknown, how: 'insert' | 'delete', port: unknown): Operation {
  return { op: 'mutate', table: 'Bridge', where: [where], mutations: [['ports', how, ['set', [port]]]] };
}

/** A port of ours, or nothing. */
export function readPort(port: Row, bridges: readonly Row[]): SwitchPortResource[] {
  const mark = entriesOf(port['external_ids']).find(([key]) => key === MARK)?.[1];
  if (mark === undefined) return [];
  const [namespace = '', ...link] = mark.split(' ');
  const id = JSON.stringify(port['_uuid']);
  const bridge = bridges.find(({ ports }) => membersOf(ports).some((member) => JSON.stringify(member) === id));
  const tag = membersOf(port['tag'])[0];
  return [
    {
      kind: 'switch-port',
      namespace: 'host',
      bridge: textOf(bridge?.['name']),
      link: textOf(port['name']),
      inner: { namespace: namespace as NamespaceName, link: link.join(' ') },
      ...(typeof tag === 'number' ? { tag } : {}),
    },
  ];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** ["map", [[key, value], …]], RFC 7047 section 5.1. */
function entriesOf(value: unknown): (readonly [string, string])[] {
  if (!Array.isArray(value) || value[0] !== 'map' || !Array.isArray(value[1])) return [];
  return value[1].filter(isPair);
}

function isPair(value: unknown): value is readonly [string, string] {
  return Array.isArray(value) && typeof value[0] === 'string' && typeof value[1] === 'string';
}

/** A set of one is that one alone; others are ["set", […]]. */
function membersOf(value: unknown): unknown[] {
  if (!Array.isArray(value) || value[0] !== 'set') return [value];
  return Array.isArray(value[1]) ? value[1] : [];
}
