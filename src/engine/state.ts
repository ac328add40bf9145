import type { Prefix } from '../model/address.ts';
import type { Attachment } from '../model/attachment.ts';
import type { Container } from '../model/container.ts';
import type { Endpoint, Network, Sandbox } from '../model/network.ts';
import type { Volume } from '../model/volume.ts';
import type { Row, TableName } from '../store/rows.ts';
import type { Store, StoreChange, WriteOptions } from '../store/store.ts';
import { AddressBook } from './address-book.ts';
import { EndpointIndex } from './endpoint-index.ts';
import { NetworkIndex } from './network-index.ts';

/** What users asked for, as the store keeps it: networks, sandboxes, endpoints, containers to put and to forget. */
export type Change = StoreChange;

type Tables = { readonly [T in TableName]: Map<string, Row<T>> };

/**
 * The intent, in memory and in the store. Reading is immediate; a change is one store transaction, and happens within
 * one turn of the event loop: whoever reads, decides and applies without awaiting in between needs no lock.
 */
export class State {
  readonly #store: Store;
  readonly #tables: Tables;
  /** Of endpoints and containers */
  readonly addresses = new AddressBook();
  readonly #endpointIndex = new EndpointIndex();
  readonly #networkIndex: NetworkIndex;
  #version = 0;

  /** @throws EngineError internal when a row cannot be read */
  constructor(store: Store) {
    this.#store = store;
    const load = <T extends TableName>(table: T) => new Map(store.rows(table).map((row) => [row.id, row]));
    this.#tables = {
      networks: load('networks'),
      volumes: load('volumes'),
      sandboxes: load('sandboxes'),
      endpoints: load('endpoints'),
      containers: load('containers'),
      attachments: load('attachments'),
    };
    this.#networkIndex = new NetworkIndex(this.networks);
    for (const endpoint of this.endpoints.values()) this.#noteEndpoint(undefined, endpoint);
    for (const container of this.containers.values()) this.addresses.noteContainer(undefined, container);
  }

  get networks(): ReadonlyMap<string, Network> {
    return this.#tables.networks;
  }

  networkNamed(name: string): Network | undefined {
    return this.#networkIndex.named(name);
  }

  /** Of all networks. */
  get subnets(): readonly Prefix[] {
    return this.#networkIndex.subnets;
  }

  /** Bytes: those that networks send by way of the host, each once. */
  get packetSizes(): Iterable<number> {
    return this.#networkIndex.packetSizes;
  }

  /** By name. */
  get volumes(): ReadonlyMap<string, Volume> {
    return this.#tables.volumes;
  }

  get sandboxes(): ReadonlyMap<string, Sandbox> {
    return this.#tables.sandboxes;
  }

  /** Those that are up, by id, in the order they came up. */
  get endpoints(): ReadonlyMap<string, Endpoint> {
    return this.#tables.endpoints;
  }

  /** A container's, in the order they came up. */
  endpointsOf(container: string): Endpoint[] {
    return this.#endpointIndex.of(container);
  }

  get containers(): ReadonlyMap<string, Container> {
    return this.#tables.containers;
  }

  get attachments(): ReadonlyMap<string, Attachment> {
    return this.#tables.attachments;
  }

  /** Grows with every change; what is derived from the state may be kept while it stays. */
  get version(): number {
    return this.#version;
  }

  /** @returns takes exactly this change back, whatever else changed since */
  apply(change: Change, options?: WriteOptions): () => void {
    const inverse = this.#inverse(change);
    this.#write(change, options);
    return () => this.#write(inverse);
  }

  #write(change: Change, options?: WriteOptions): void {
    this.#store.write(change, options);
    this.#version++;
    this.#writeTable('networks', change, (before, after) => this.#networkIndex.note(before, after));
    this.#writeTable('volumes', change);
    this.#writeTable('sandboxes', change);
    this.#writeTable('endpoints', change, (before, after) => this.#noteEndpoint(before, after));
    this.#writeTable('containers', change, (before, after) => this.addresses.noteContainer(before, after));
    this.#writeTable('attachments', change);
  }

  #noteEndpoint(before: Endpoint | undefined, after: Endpoint | undefined): void {
    this.addresses.noteEndpoint(before, after);
    this.#endpointIndex.note(before, after);
  }

  #writeTable<T extends TableName>(
    table: T,
    change: Change,
    note: (before: Row<T> | undefined, after: Row<T> | undefined) => void = () => undefined,
  ): void {
    const rows: Map<string, Row<T>> = this.#tables[table];
    for (const id of change.remove?.[table] ?? []) {
      note(rows.get(id), undefined);
      rows.delete(id);
    }
    const puts: readonly Row<T>[] = change.put?.[table] ?? [];
    for (const row of puts) {
      note(rows.get(row.id), row);
      rows.set(row.id, row);
    }
  }

  #inverse(change: Change): Change {
    const networks = former('networks', change, this.#tables.networks);
    const volumes = former('volumes', change, this.#tables.volumes);
    const sandboxes = former('sandboxes', change, this.#tables.sandboxes);
    const endpoints = former('endpoints', change, this.#tables.endpoints);
    const containers = former('containers', change, this.#tables.containers);
    const attachments = former('attachments', change, this.#tables.attachments);
    return {
      put: {
        networks: networks.put,
        volumes: volumes.put,
        sandboxes: sandboxes.put,
        endpoints: endpoints.put,
        containers: containers.put,
        attachments: attachments.put,
      },
      remove: {
        networks: networks.remove,
        volumes: volumes.remove,
        sandboxes: sandboxes.remove,
        endpoints: endpoints.remove,
        containers: containers.remove,
        attachments: attachments.remove,
      },
    };
  }

  meta(key: string): string | undefined {
    return this.#store.meta(key);
  }

  setMeta(key: string, value: string): void {
    this.#store.setMeta(key, value);
  }
}

function former<T extends TableName>(
  table: T,
  change: Change,
  rows: ReadonlyMap<string, Row<T>>,
): { put: Row<T>[]; remove: string[] } {
  const puts: readonly Row<T>[] = change.put?.[table] ?? [];
  const touched = new Set([...(change.remove?.[table] ?? []), ...puts.map((row) => row.id)]);
  const put: Row<T>[] = [];
  const remove: string[] = [];
  for (const id of touched) {
    const row = rows.get(id);
    if (row === undefined) remove.push(id);
    else put.push(row);
  }
  return { put, remove };
}
