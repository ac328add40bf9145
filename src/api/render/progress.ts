import type { Progress } from '../../model/registry.ts';

/** Cells of a bar on a terminal of more than 110 columns, which is what Docker's daemon draws for */
const BAR_CELLS = 50;
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** One line of a pull or push: keys in Docker's order, with the bar as text for clients that draw none of their own. */
export function renderProgress({ status, id, detail, aux }: Progress): string {
  const bar = detail?.current === undefined ? '' : progressText(detail.current, detail.total ?? 0);
  return line({
    ...(status === undefined ? {} : { status }),
    ...(detail === undefined ? {} : { progressDetail: detail }),
    ...(bar === '' ? {} : { progress: bar }),
    ...(id === undefined ? {} : { id }),
    ...(aux === undefined ? {} : { aux }),
  });
}

/** How a stream ends that has begun as a success. */
export function renderStreamError(message: string): string {
  return line({ errorDetail: { message }, error: message });
}

function line(value: object): string {
  return `${JSON.stringify(value)}\r\n`;
}

/** "[==>      ]  19.97kB/1.984MB" (moby: pkg/jsonmessage) */
function progressText(current: number, total: number): string {
  if (current <= 0 && total <= 0) return '';
  if (total <= 0) return humanSize(current).padStart(8);
  const done = Math.min(BAR_CELLS, Math.floor(Math.trunc((current / total) * 100) / 2));
  const bar = `[${'='.repeat(done)}>${' '.repeat(BAR_CELLS - done)}] `;
  const size = humanSize(current).padStart(8);
  return current > total ? bar + size : `${bar}${size}/${humanSize(total)}`;
}

/** Four digits and a unit, as Go's "%.4g": "1.984MB". */
function humanSize(bytes: number): string {
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${Number(size.toPrecision(4))}${UNITS[unit]}`;
}
