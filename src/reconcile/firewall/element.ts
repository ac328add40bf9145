import type { SetName } from './ruleset.ts';

/** An element of one of the table's sets or maps, written as nft writes it. */
export interface Element {
  readonly set: SetName;
  /** `192.0.2.2 . tcp . 8080`, `10.0.0.0/24 . "br0"` */
  readonly key: string;
  /** What a map leads to: `10.0.0.2 . 80` */
  readonly value?: string;
  readonly comment?: string;
}

/** Equal for equal elements, and for no others. */
export function elementId({ set, key, value, comment }: Element): string {
  return `${set} { ${key}${comment === undefined ? '' : ` comment "${comment}"`}${value === undefined ? '' : ` : ${value}`} }`;
}

/** Commands that add the elements, one for each set. @param table as nft writes it: "inet fairway". An equal one that is there already is no error; another value is. */
export function additions(table: string, elements: Iterable<Element>): string {
  return commands('add', table, elements, ({ key, value, comment }) => {
    const words = comment === undefined ? key : `${key} comment "${comment}"`;
    return value === undefined ? words : `${words} : ${value}`;
  });
}

/** Commands that delete the elements, one for each set. A missing one is an error (ENOENT). */
export function deletions(table: string, elements: Iterable<Element>): string {
  return commands('delete', table, elements, ({ key }) => key);
}

function commands(verb: string, table: string, elements: Iterable<Element>, write: (e: Element) => string): string {
  const bySet = Map.groupBy(elements, (element) => element.set);
  return [...bySet]
    .map(([set, members]) => `${verb} element ${table} ${set} { ${members.map(write).join(', ')} }\n`)
    .join('');
}
