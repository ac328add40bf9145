/**
 * Puts a run's figures into docs/performance.md, between its two marks, and draws docs/performance.svg: node bench/draw.ts [REPORT]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { isHeld, type Paired } from './measure.ts';
import type { Report } from './report.ts';

const PAGE = 'docs/performance.md';
const PICTURE = 'docs/performance.svg';
const [BEGIN, END] = ['<!-- figures -->', '<!-- end of figures -->'];

/** Ratios the picture's axis reaches from and to; it is logarithmic. */
const [LOWEST, HIGHEST] = [0.01, 10];
const [LEFT, WIDTH, LINE, TOP] = [330, 460, 20, 40];
const COLOURS = { held: '#2a7f62', missed: '#c0392b', none: '#7f8c8d' } as const;

function table({ figures, date, commit, machine, kernel, beside, rounds }: Report): string {
  const lines = figures.map((figure) => {
    const held = isHeld(figure);
    const bar =
      figure.bar === undefined ? '' : `${figure.bar.least === true ? '≥' : '≤'} ${figure.bar.limit} ${figure.bar.unit}`;
    const verdict = held === undefined ? '' : held ? 'held' : '**missed**';
    const against = figure.against === undefined ? '' : ` (${figure.against})`;
    const theirs = figure.theirs === undefined ? '' : `${amount(figure, figure.theirs)}${against}`;
    const ratio = figure.ratio === undefined ? '' : `${figure.ratio.toFixed(2)} ×`;
    return `| ${figure.name} | ${amount(figure, figure.ours)} | ${theirs} | ${ratio} | ${bar} | ${verdict} |`;
  });
  return [
    `Measured on ${date} at ${commit}: ${machine}, Linux ${kernel}${beside === undefined ? '' : `, beside ${beside}`}; medians of up to ${rounds} rounds.`,
    '',
    '| what | Fairway | Docker | ratio | bar | |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

function amount({ unit = 'ms' }: Paired, value: number): string {
  const rounded = value >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(value < 10 ? 2 : 1);
  return unit.startsWith('/') ? `${rounded}${unit}` : `${rounded} ${unit}`;
}

/** One line a ratio: a dot where it is, a stroke where its bar is. */
function picture({ figures }: Report): string {
  const drawn = figures.filter(({ ratio, against }) => ratio !== undefined && against === undefined);
  const bottom = TOP + drawn.length * LINE;
  const ticks = [0.01, 0.1, 1, 10].map(
    (
      tick,
    ) => `<line x1="${x(tick)}" x2="${x(tick)}" y1="${TOP - 8}" y2="${bottom}" stroke="${tick === 1 ? '#333' : '#ddd'}"/>
<text x="${x(tick)}" y="${TOP - 14}" text-anchor="middle">${tick} ×</text>`,
  );
  const rows = drawn.map((figure, index) => {
    const { name, ratio = Number.NaN, bar } = figure;
    const y = TOP + index * LINE + LINE / 2;
    const held = isHeld(figure);
    const colour = held === undefined ? COLOURS.none : held ? COLOURS.held : COLOURS.missed;
    const stroke =
      bar === undefined
        ? ''
        : `<line x1="${x(bar.limit)}" x2="${x(bar.limit)}" y1="${y - 7}" y2="${y + 7}" stroke="#333" stroke-width="2"/>`;
    return `<text x="${LEFT - 12}" y="${y + 4}" text-anchor="end">${escaped(name)}</text>${stroke}
<circle cx="${x(ratio)}" cy="${y}" r="5" fill="${colour}"/><text x="${x(ratio) + 9}" y="${y + 4}" fill="${colour}">${ratio.toFixed(2)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${LEFT + WIDTH + 60}" height="${bottom + 30}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${[...ticks, ...rows].join('\n')}
<text x="${LEFT}" y="${bottom + 20}">Fairway : Docker; a stroke is the bar; green holds it, red misses it</text>
</svg>
`;
}

function x(ratio: number): number {
  const part = Math.log(Math.min(Math.max(ratio, LOWEST), HIGHEST) / LOWEST) / Math.log(HIGHEST / LOWEST);
  return Math.round(LEFT + part * WIDTH);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

// Written by report.ts.
const report: Report = JSON.parse(readFileSync(process.argv[2] ?? '.cache/bench.json', 'utf8'));
const page = readFileSync(PAGE, 'utf8');
const [before, after] = [page.indexOf(BEGIN), page.indexOf(END)];
if (before < 0 || after < before) throw new Error(`${PAGE} has no place for figures`);
writeFileSync(PAGE, `${page.slice(0, before + BEGIN.length)}\n${table(report)}\n${page.slice(after)}`);
writeFileSync(PICTURE, picture(report));
