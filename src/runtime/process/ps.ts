import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { EngineError, errorMessage } from '../../model/errors.ts';

/** Docker's limit is memory; this is more than any ps of a machine prints. Bytes */
const MAX_OUTPUT = 32 << 20;

export interface ProcessTable {
  readonly titles: string[];
  readonly processes: string[][];
}

/**
 * What ps(1) on the host says of these processes, as `docker top` shows it.
 * @param pids in the host's numbering
 * @param psArgs '' is -ef; separated by spaces
 * @throws EngineError internal with ps's own words
 */
export async function listProcesses(pids: readonly number[], psArgs: string): Promise<ProcessTable> {
  const renamed = [...psArgs.matchAll(/\s+([^\s]*)=\s*(PID[^\s]*)/g)].find(([, key]) => key !== 'pid');
  if (renamed !== undefined) {
    throw new EngineError('internal', `specifying "${renamed[1]}=${renamed[2]}" is not allowed`);
  }
  const given = (psArgs === '' ? '-ef' : psArgs).split(' ');
  // Some options, such as f, do not go together with -q: then the whole table is read.
  const output = await ps([...given, `-q${pids.join(',')}`]).catch(() => ps(given));
  return parseTable(output, new Set(pids));
}

async function ps(psArgs: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)('ps', psArgs, { maxBuffer: MAX_OUTPUT, timeout: 10_000 })).stdout;
  } catch (error) {
    const words = error instanceof Error && 'stderr' in error ? String(error.stderr).split('\n')[0] : '';
    throw new EngineError('internal', `ps: ${words === '' ? errorMessage(error) : words}`, { cause: error });
  }
}

/** The last column keeps its spaces. Lines without a PID are threads of the process above them. */
export function parseTable(output: string, pids: ReadonlySet<number>): ProcessTable {
  const [header = '', ...lines] = output.split('\n');
  const titles = fieldsOf(header);
  const column = titles.indexOf('PID');
  if (column < 0) throw new EngineError('internal', "Couldn't find PID field in ps output");
  const processes: string[][] = [];
  let inside = false;
  for (const fields of lines.map(fieldsOf)) {
    if (fields.length === 0) continue;
    if (fields[column] !== '-') inside = pids.has(Number(fields[column]));
    if (!inside) continue;
    const last = titles.length - 1;
    processes.push([...fields.slice(0, last), fields.slice(last).join(' ')]);
  }
  return { titles, processes };
}

/** Only ASCII white space separates, as in Docker. */
function fieldsOf(line: string): string[] {
  return line.split(/[\t\n\f\r ]+/).filter((field) => field !== '');
}
