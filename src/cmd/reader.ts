import type { Given, SettingName } from './settings/index.ts';
import { parseBoolean } from './values.ts';

/** Reads single settings out of what was given, with their defaults. */
export class Reader {
  readonly #given: Given;

  constructor(given: Given) {
    this.#given = given;
  }

  /** '' counts as not given. */
  text(name: SettingName): string | undefined {
    const value = this.#given[name];
    return typeof value === 'string' && value !== '' ? value : undefined;
  }

  list(name: SettingName): readonly string[] {
    const value = this.#given[name];
    return value === undefined ? [] : typeof value === 'string' ? [value] : value;
  }

  /** @param flag its name on the command line, for the message */
  flag(name: SettingName, flag: string, otherwise: boolean): boolean {
    const value = this.text(name);
    return value === undefined ? otherwise : parseBoolean(flag, value);
  }

  /** {} when the setting was not given, so that it can be spread into an exact optional field. */
  optional<Field extends string, T>(field: Field, name: SettingName, parse: (text: string) => T): { [K in Field]?: T } {
    const value = this.text(name);
    return value === undefined ? {} : ({ [field]: parse(value) } as { [K in Field]?: T });
  }
}
