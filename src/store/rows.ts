import type { Attachment } from '../model/attachment.ts';
import type { Container } from '../model/container.ts';
import type { Endpoint, Network, Sandbox } from '../model/network.ts';
import type { Volume } from '../model/volume.ts';

/** What each table holds: one model value a row, under its `id`. */
interface Rows {
  readonly networks: Network;
  readonly volumes: Volume;
  readonly sandboxes: Sandbox;
  readonly endpoints: Endpoint;
  readonly containers: Container;
  readonly attachments: Attachment;
}

export type TableName = keyof Rows;
export type Row<T extends TableName> = Rows[T];

/** In the order they are written: what is referred to comes first. */
export const TABLES: readonly TableName[] = [
  'networks',
  'volumes',
  'sandboxes',
  'endpoints',
  'containers',
  'attachments',
];

/** As typeOf() names them. */
type FieldType = 'string' | 'boolean' | 'number' | 'array' | 'object';

/** What a row cannot do without. Deeper fields were written by this program and are taken as they are. */
const FIELDS: { readonly [T in TableName]: Readonly<Record<string, FieldType>> } = {
  networks: {
    name: 'string',
    driver: 'string',
    created: 'string',
    internal: 'boolean',
    attachable: 'boolean',
    ipv4: 'boolean',
    ipv6: 'boolean',
    ipamDriver: 'string',
    pools: 'array',
    driverOptions: 'object',
    labels: 'object',
  },
  volumes: { created: 'string', labels: 'object', options: 'object' },
  sandboxes: { namespace: 'string', resolver: 'boolean' },
  endpoints: {
    network: 'string',
    sandbox: 'string',
    container: 'string',
    interfaceName: 'string',
    addresses: 'array',
    gateways: 'array',
    ports: 'array',
  },
  containers: {
    name: 'string',
    created: 'string',
    spec: 'object',
    imageId: 'string',
    args: 'array',
    env: 'array',
    restartCount: 'number',
    stoppedByHand: 'boolean',
    mounts: 'array',
    state: 'object',
  },
  attachments: { created: 'string', mtu: 'number', kind: 'string', ends: 'array' },
};

/** A row as it was written, looked at before it is believed. @throws Error naming the field that is wrong */
export function parseRow<T extends TableName>(table: T, id: string, json: string): Row<T> {
  const value: unknown = JSON.parse(json);
  if (typeOf(value) !== 'object') throw new Error('the row is no object');
  const row = value as Readonly<Record<string, unknown>>;
  if (row['id'] !== id) throw new Error(`the row holds the id ${JSON.stringify(row['id'])}`);
  for (const [field, type] of Object.entries(FIELDS[table])) {
    if (typeOf(row[field]) !== type) throw new Error(`"${field}" is no ${type}`);
  }
  return value as Row<T>;
}

/** typeof, but for null and arrays, which it calls objects. */
function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
