import { invalid, unsupportedOption } from '../status.ts';

interface Field {
  readonly name: string;
  readonly value: unknown;
}

/**
 * A JSON object from a client, read field by field by the rules of Docker's decoder: names match in any case, null and
 * absence are the zero value. What is set but was never read is refused by `close`, so nothing is silently ignored.
 */
export class Fields {
  /** For messages: "HostConfig" */
  readonly path: string;
  readonly #fields = new Map<string, Field>();
  readonly #read = new Set<string>();

  /** @throws EngineError invalidArgument when the value is neither an object nor null */
  constructor(value: unknown, path: string) {
    this.path = path;
    if (value === undefined || value === null) return;
    if (typeof value !== 'object' || Array.isArray(value)) throw mismatch(value, path, 'object');
    for (const [name, field] of Object.entries(value)) this.#fields.set(name.toLowerCase(), { name, value: field });
  }

  text(name: string): string {
    const value = this.#take(name) ?? '';
    if (typeof value !== 'string') throw mismatch(value, this.#pathOf(name), 'string');
    return value;
  }

  flag(name: string): boolean {
    const value = this.#take(name) ?? false;
    if (typeof value !== 'boolean') throw mismatch(value, this.#pathOf(name), 'bool');
    return value;
  }

  /** Undefined when it was not given, so that false can mean something. */
  optionalFlag(name: string): boolean | undefined {
    const value = this.flag(name);
    return this.isGiven(name) ? value : undefined;
  }

  /** Undefined when it was not given, so that 0 can mean something. */
  integer(name: string): number | undefined {
    const value = this.#take(name) ?? undefined;
    if (value !== undefined && !Number.isSafeInteger(value)) throw mismatch(value, this.#pathOf(name), 'int64');
    return value as number | undefined;
  }

  texts(name: string): string[] {
    const value = this.#take(name) ?? [];
    if (!Array.isArray(value)) throw mismatch(value, this.#pathOf(name), '[]string');
    return value.map((item: unknown) => {
      if (typeof item !== 'string') throw mismatch(item, this.#pathOf(name), 'string');
      return item;
    });
  }

  lists(name: string): string[][] {
    const value = this.#take(name) ?? [];
    const isList = (item: unknown): item is string[] =>
      Array.isArray(item) && item.every((text) => typeof text === 'string');
    if (!Array.isArray(value) || !value.every(isList)) throw mismatch(value, this.#pathOf(name), '[][]string');
    return value;
  }

  integers(name: string): number[] {
    const value = this.#take(name) ?? [];
    if (!Array.isArray(value) || !value.every((item) => Number.isSafeInteger(item))) {
      throw mismatch(value, this.#pathOf(name), '[]uint');
    }
    return value;
  }

  /** A command: a list, or one string that counts as a list of one. Undefined when it was not given. */
  command(name: string): string[] | undefined {
    const value = this.#peek(name) ?? undefined;
    if (value === undefined) return undefined;
    return typeof value === 'string' ? [this.text(name)] : this.texts(name);
  }

  map(name: string): Record<string, string> {
    const entries = this.entries(name).map(([key, value]): [string, string] => {
      if (value !== null && typeof value !== 'string') throw mismatch(value, this.#pathOf(name), 'string');
      return [key, value ?? ''];
    });
    return Object.fromEntries(entries);
  }

  /** An object whose keys are the user's: they keep their case. */
  entries(name: string): [string, unknown][] {
    const value = this.#take(name) ?? {};
    if (typeof value !== 'object' || Array.isArray(value)) throw mismatch(value, this.#pathOf(name), 'object');
    return Object.entries(value);
  }

  child(name: string): Fields {
    return new Fields(this.#take(name), this.#pathOf(name));
  }

  children(name: string): Fields[] {
    const value = this.#take(name) ?? [];
    if (!Array.isArray(value)) throw mismatch(value, this.#pathOf(name), '[]object');
    return value.map((item: unknown) => new Fields(item, this.#pathOf(name)));
  }

  /** Whether it is [], which is not the same as null where null stands for a default. */
  isEmptyList(name: string): boolean {
    const value = this.#peek(name);
    return Array.isArray(value) && value.length === 0;
  }

  /** Whether it is there at all, be it empty, where inspect tells that apart. */
  isGiven(name: string): boolean {
    return (this.#peek(name) ?? undefined) !== undefined;
  }

  /** Whether it was said to be false, where absence means true. */
  isFalse(name: string): boolean {
    return this.#peek(name) === false;
  }

  /** Reads and forgets: fields only the client itself cares about. */
  ignore(...names: readonly string[]): void {
    for (const name of names) this.#take(name);
  }

  /** Whether a field is set to anything but its zero value. */
  has(name: string): boolean {
    const value = this.#peek(name);
    return value !== undefined && !isZero(value);
  }

  /** Reads fields that may be set to these values, because they ask for what happens anyway. */
  allow(name: string, ...values: readonly unknown[]): void {
    if (values.includes(this.#peek(name))) this.#take(name);
  }

  /**
   * Refuses what was not read and is set to anything but its zero value.
   * @param flags the CLI's names for fields: { Memory: '--memory' }
   */
  close(flags: Readonly<Record<string, string>> = {}): void {
    for (const [key, { name, value }] of this.#fields) {
      if (this.#read.has(key) || isZero(value)) continue;
      const flag = Object.hasOwn(flags, name) ? flags[name] : undefined;
      const option = flag === undefined ? `option ${this.#pathOf(name)}` : `${flag} (${this.#pathOf(name)})`;
      throw unsupportedOption(option);
    }
  }

  #peek(name: string): unknown {
    return this.#fields.get(name.toLowerCase())?.value;
  }

  #take(name: string): unknown {
    this.#read.add(name.toLowerCase());
    return this.#peek(name);
  }

  #pathOf(name: string): string {
    return this.path === '' ? name : `${this.path}.${name}`;
  }
}

/** Clients send every field they know with its zero value. An object with keys is set: they may be the user's. */
function isZero(value: unknown): boolean {
  if (value === null || value === '' || value === 0 || value === false) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function mismatch(value: unknown, path: string, wanted: string): Error {
  const kind = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  return invalid(`invalid JSON: json: cannot unmarshal ${kind} into field ${path} of type ${wanted}`);
}
