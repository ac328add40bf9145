import { existsSync, linkSync, mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { EngineError, errorMessage, hasCode } from '../model/errors.ts';
import { type Header, readHeader } from './header.ts';
import { parseRow, type Row, TABLES, type TableName } from './rows.ts';

/** Raised by one with every change of the tables or of what their rows must hold. */
const SCHEMA_VERSION = 4;
/** SQLite's name for a database that is no file */
const MEMORY = ':memory:';
/** "FWAY": tells our file from any other SQLite file (PRAGMA application_id). */
const APPLICATION_ID = 0x46574159;
/** `sum` is the CRC-32 of all that says what the row is: SQLite checks its pages' structure, and nobody the texts in them */
const SCHEMA: readonly string[] = [
  'CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, sum INTEGER NOT NULL)',
  ...TABLES.map((table) => `CREATE TABLE ${table} (id TEXT PRIMARY KEY, json TEXT NOT NULL, sum INTEGER NOT NULL)`),
];

/** What one transaction writes: rows by table, ids to forget by table. */
export interface StoreChange {
  readonly put?: { readonly [T in TableName]?: readonly Row<T>[] };
  readonly remove?: { readonly [T in TableName]?: readonly string[] };
}

export interface WriteOptions {
  /** For what cannot be taken back, such as deleting files: what says so must not be lost */
  readonly flush?: boolean;
}

/**
 * What outlives the daemon. One SQLite file; every row is one model value as JSON under its id.
 *
 * WAL with synchronous=NORMAL: a transaction is in the page cache when it returns, so no end of the daemon, SIGKILL
 * included, loses it. A power cut may lose the last transactions, never the file's consistency; it also ends every
 * container, and restore removes what nobody remembers. Measured for two 2 KB rows: 0.03 ms, against 0.2 ms with FULL on
 * this machine's SSD and 5–20 ms on a disk with honest flushes, which a start's bar of 8 ms cannot bear.
 */
export class Store implements Disposable {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #puts: ReadonlyMap<TableName, StatementSync>;
  readonly #removals: ReadonlyMap<TableName, StatementSync>;

  private constructor(path: string, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
    this.#puts = statements((table) => database.prepare(`INSERT OR REPLACE INTO ${table} VALUES (?, ?, ?)`));
    this.#removals = statements((table) => database.prepare(`DELETE FROM ${table} WHERE id = ?`));
  }

  /**
   * Opens the file, or makes it. Only one process at a time holds it.
   * @throws EngineError unavailable when another process holds it; internal when it is damaged, of a newer version or of another
   * program: then it is left as it is
   */
  static open(path: string): Store {
    mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
    let database: DatabaseSync | undefined;
    try {
      if (path !== MEMORY) prepareFile(path);
      database = new DatabaseSync(path);
      if (path === MEMORY) createTables(database);
      else claim(path, database);
      return new Store(path, database);
    } catch (error) {
      database?.close();
      throw error instanceof EngineError ? error : explain(path, error);
    }
  }

  /** All rows, in the order they were first written. @throws EngineError internal when a row is not what this version writes */
  rows<T extends TableName>(table: T): Row<T>[] {
    const found = this.#read(() => this.#database.prepare(`SELECT id, json, sum FROM ${table} ORDER BY rowid`).all());
    return found.map(({ id, json, sum }) => {
      try {
        if (sum !== sumOf(table, String(id), String(json))) throw new Error('its text is not what was written');
        return parseRow(table, String(id), String(json));
      } catch (error) {
        throw damaged(this.#path, `${table} ${id}: ${errorMessage(error)}`);
      }
    });
  }

  /** All of it or nothing. @param options.flush on return no power cut loses it, nor what was written before */
  write(change: StoreChange, { flush = false }: WriteOptions = {}): void {
    if (flush) this.#database.exec('PRAGMA synchronous = FULL');
    try {
      this.#transaction(() => {
        for (const table of TABLES) {
          for (const id of change.remove?.[table] ?? []) this.#removals.get(table)?.run(id);
          for (const row of change.put?.[table] ?? []) this.#put(table, row);
        }
      });
    } finally {
      if (flush) this.#database.exec('PRAGMA synchronous = NORMAL');
    }
  }

  /** A single remembered value, such as the engine's id. @throws EngineError internal when it is damaged */
  meta(key: string): string | undefined {
    const row = this.#read(() => this.#database.prepare('SELECT value, sum FROM meta WHERE key = ?').get(key));
    if (row === undefined) return undefined;
    const value = String(row['value']);
    if (row['sum'] !== sumOf('meta', key, value)) throw damaged(this.#path, `meta ${key}`);
    return value;
  }

  /** At once, outside of any transaction. */
  setMeta(key: string, value: string): void {
    this.#database.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?, ?)').run(key, value, sumOf('meta', key, value));
  }

  /** The file is free for another process. May be repeated. */
  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #put<T extends TableName>(table: T, row: Row<T>): void {
    const json = JSON.stringify(row);
    this.#puts.get(table)?.run(row.id, json, sumOf(table, row.id, json));
  }

  #read<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw explain(this.#path, error);
    }
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw explain(this.#path, error);
    }
  }
}

function statements(prepare: (table: TableName) => StatementSync): ReadonlyMap<TableName, StatementSync> {
  return new Map(TABLES.map((table) => [table, prepare(table)]));
}

function sumOf(table: TableName | 'meta', id: string, text: string): number {
  return crc32(`${table}\0${id}\0${text}`);
}

/**
 * Makes the file when there is none, and looks at one that is there. A file of ours has its name only when it is whole, so an empty one
 * has lost everything.
 * @throws EngineError internal when it is damaged, of another version or of another program
 */
function prepareFile(path: string): void {
  if (!existsSync(path)) {
    if (existsSync(`${path}-wal`)) throw damaged(path, 'its log is there, and the file itself is not');
    createFile(path);
  }
  const header = readHeader(path);
  if (header === undefined) throw damaged(path, 'it is no SQLite file, or its beginning is lost');
  refuseOther(path, header);
}

/** Under another name first. Who makes it at the same time is as good. */
function createFile(path: string): void {
  const unnamed = `${path}.${process.pid}`;
  rmSync(unnamed, { force: true });
  const database = new DatabaseSync(unnamed);
  try {
    createTables(database);
    linkSync(unnamed, path);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    database.close();
    rmSync(unnamed);
  }
}

/**
 * EXCLUSIVE keeps a second daemon out, and spares WAL its shared memory file. WAL comes last: it is written into the file, and what is
 * not ours is not written to. The log may know of another version than the file's beginning.
 */
function claim(path: string, database: DatabaseSync): void {
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  refuseOther(path, { version: pragma(database, 'user_version'), application: pragma(database, 'application_id') });
  // Rows are read once, at the start: pages are kept for little (KiB, unless SQLite keeps 2,000).
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -512');
  check(path, database);
}

/** @throws EngineError internal when the file is not one of ours, or of another version */
function refuseOther(path: string, { version, application }: Header): void {
  if (application !== APPLICATION_ID) {
    throw new EngineError('internal', `Cannot use ${path}: it is an SQLite file of another program`);
  }
  if (version === SCHEMA_VERSION) return;
  const age = version > SCHEMA_VERSION ? 'a newer' : 'an older';
  const versions = `it has version ${version}, this one reads version ${SCHEMA_VERSION}`;
  throw new EngineError('internal', `Cannot use ${path}: it was written by ${age} Fairway (${versions})`);
}

/** Pages and indexes, and that the tables are those we made. @throws EngineError internal */
function check(path: string, database: DatabaseSync): void {
  const verdict = database.prepare('PRAGMA integrity_check(1)').get()?.['integrity_check'];
  if (verdict !== 'ok')
    throw damaged(
      path,
      String(verdict)
        .replace(/^\*.*\n/, '')
        .replaceAll('\n', ', '),
    );
  if (schemaOf(database).join() !== SCHEMA.join()) throw damaged(path, 'its tables are not ours');
}

function createTables(database: DatabaseSync): void {
  database.exec(`BEGIN IMMEDIATE;
    ${SCHEMA.join(';\n')};
    PRAGMA user_version = ${SCHEMA_VERSION};
    PRAGMA application_id = ${APPLICATION_ID};
    COMMIT`);
}

/** As it was written; automatic indexes have no text. */
function schemaOf(database: DatabaseSync): string[] {
  const rows = database.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid').all();
  return rows.map(({ sql }) => String(sql));
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
}

/** With what can be done about it. */
function damaged(path: string, reason: string): EngineError {
  const advice = `move it and ${path}-wal away to start without networks and containers`;
  return new EngineError('internal', `Cannot use ${path}: the file is damaged (${reason}); ${advice}`);
}

/** SQLite's result codes: sqlite.org/rescode.html. */
function explain(path: string, error: unknown): EngineError {
  const code = typeof error === 'object' && error !== null && 'errcode' in error ? Number(error.errcode) & 0xff : 0;
  const reason = errorMessage(error);
  if (code === 5 /* SQLITE_BUSY */) {
    return new EngineError('unavailable', `Cannot use ${path}: another daemon has it open`, { cause: error });
  }
  if (code === 11 /* SQLITE_CORRUPT */ || code === 26 /* SQLITE_NOTADB */) return damaged(path, reason);
  return new EngineError('internal', `Cannot use ${path}: ${reason}`, { cause: error });
}
