/** What a row of docs/docker-compatibility.md says is there. */
export const STATES = ['supported', 'different', 'refused', 'solved', 'open'] as const;

/** A test a row names. */
export interface Evidence {
  /** From the repository's root */
  readonly file: string;
  readonly title: string;
}

export interface Row {
  /** "1.4.7": section and line of the list; "P7": a complaint’s number */
  readonly line: string;
  readonly state: string;
  /** Behind the state: why it is different, what is refused, what is missing */
  readonly remark: string;
  readonly evidence: readonly Evidence[];
}

/**
 * The rows of the document's tables.
 * @throws Error when a table's line has other cells than line, text, state and evidence
 */
export function readRows(text: string): Row[] {
  return text
    .split('\n')
    .filter((line) => /^\| P?\d/.test(line))
    .map(readRow);
}

function readRow(text: string): Row {
  const cells = text.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
  if (cells.length !== 6) throw new Error(`a row has four cells: ${text}`);
  const [, line = '', , here = '', shown = ''] = cells;
  const [, state = '', remark = ''] = /^(\w*):?\s*(.*)$/.exec(here) ?? [];
  return { line, state, remark, evidence: shown === '' ? [] : shown.split('<br>').map(readEvidence) };
}

function readEvidence(text: string): Evidence {
  const [, file, title] = /^`([^`]+)`:? (.+)$/.exec(text.trim()) ?? [];
  if (file === undefined || title === undefined) throw new Error(`no file in backticks followed by a title: ${text}`);
  return { file, title };
}

/** Evidence whose test is not among those that ran and passed. */
export function missing(rows: readonly Row[], ran: readonly Evidence[]): Evidence[] {
  const known = new Set(ran.map(({ file, title }) => `${file} ${title}`));
  return rows.flatMap(({ evidence }) => evidence).filter(({ file, title }) => !known.has(`${file} ${title}`));
}
