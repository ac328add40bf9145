import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { EngineError, errorMessage } from '../model/errors.ts';
import { parseRow, type Row, TABLES, type TableName } from './rows.ts';

/** Raised by one with every change of the tables or of what their rows must hold. */
const SCHEMA_VERSION = 3;
/** "FWAY": tells our file from any other SQLite file (PRAGMA application_id). */
const APPLICATION_ID = 0x46574159;

/** What one transaction writes: rows by table, ids to forget by table. */
export interface StoreChange {
  readonly put?: { readonly [T in TableName]?: readonly Row<T>[] };
  readonly remove?: { readonly [T in TableName]?: readonly string[] };
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
    this.#puts = statements((table) => database.prepare(`INSERT OR REPLACE INTO ${table} VALUES (?, ?)`));
    this.#removals = statements((table) => database.prepare(`DELETE FROM ${table} WHERE id = ?`));
  }

  /**
   * Opens the file, or makes it. Only one process at a time holds it.
   * @throws EngineError unavailable when another process holds it; internal when it is damaged or of a newer version
   */
  static open(path: string): Store {
    mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path);
      prepareSchema(path, database);
      return new Store(path, database);
    } catch (error) {
      database?.close();
      throw error instanceof EngineError ? error : explain(path, error);
    }
  }

  /** All rows, in the order they were first written. @throws EngineError internal when a row is not what this version writes */
  rows<T extends TableName>(table: T): Row<T>[] {
    const found = this.#database.prepare(`SELECT id, json FROM ${table} ORDER BY rowid`).all();
    return found.map(({ id, json }) => {
      try {
        return parseRow(table, String(id), String(json));
      } catch (error) {
        throw new EngineError('internal', `Cannot read ${this.#path}: ${table} ${id}: ${errorMessage(error)}`);
      }
    });
  }

  /** All of it or nothing. */
  write(change: StoreChange): void {
    this.#transaction(() => {
      for (const table of TABLES) {
        for (const id of change.remove?.[table] ?? []) this.#removals.get(table)?.run(id);
        for (const row of change.put?.[table] ?? []) this.#puts.get(table)?.run(row.id, JSON.stringify(row));
      }
    });
  }

  /** A single remembered value, such as the engine's id. */
  meta(key: string): string | undefined {
    const row = this.#database.prepare('SELECT value FROM meta WHERE key = ?').get(key);
    return row === undefined ? undefined : String(row['value']);
  }

  /** At once, outside of any transaction. */
  setMeta(key: string, value: string): void {
    this.#database.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(key, value);
  }

  /** The file is free for another process. May be repeated. */
  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  [Symbol.dispose](): void {
    this.close();
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

/** EXCLUSIVE keeps a second daemon out, and spares WAL its shared memory file. */
function prepareSchema(path: string, database: DatabaseSync): void {
  database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL');
  const version = pragma(database, 'user_version');
  const application = pragma(database, 'application_id');
  if (version === 0 && application === 0 && isEmpty(database)) {
    createTables(database);
    return;
  }
  if (application !== APPLICATION_ID) {
    throw new EngineError('internal', `Cannot use ${path}: it is an SQLite file of another program`);
  }
  if (version !== SCHEMA_VERSION) {
    const age = version > SCHEMA_VERSION ? 'a newer' : 'an older';
    const versions = `it has version ${version}, this one reads version ${SCHEMA_VERSION}`;
    throw new EngineError('internal', `Cannot use ${path}: it was written by ${age} Fairway (${versions})`);
  }
  const verdict = database.prepare('PRAGMA quick_check(1)').get()?.['quick_check'];
  if (verdict !== 'ok') throw damaged(path, String(verdict));
}

function createTables(database: DatabaseSync): void {
  database.exec(`BEGIN IMMEDIATE;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
    ${TABLES.map((table) => `CREATE TABLE ${table} (id TEXT PRIMARY KEY, json TEXT NOT NULL);`).join('\n')}
    PRAGMA user_version = ${SCHEMA_VERSION};
    PRAGMA application_id = ${APPLICATION_ID};
    COMMIT`);
}

function isEmpty(database: DatabaseSync): boolean {
  return database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
}

function pragma(database: DatabaseSync, name: string): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
}

/** With what can be done about it. */
function damaged(path: string, reason: string): EngineError {
  const advice = 'move it away to start without networks and containers';
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
