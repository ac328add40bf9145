import { globSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { build } from 'rolldown';

/*
 * Makes one file of the daemon, and one of each of its threads: node src/cmd/bundle.ts FOLDER. Loading some 500 modules one by
 * one costs half a second of processor time at every start, even compiled.
 */
const SOURCES = join(import.meta.dirname, '..');
const [folder = ''] = process.argv.slice(2);
/** Of other states of the sources, or of other checkouts with the same cache: daemons that run may still start threads of theirs. */
const KEPT = 5;
mkdirSync(folder, { recursive: true });
// The daemon's last: where it is, everything is.
for (const path of [...globSync('**/*.worker.ts', { cwd: SOURCES }), 'cmd/fairwayd.ts']) await bundle(path);
for (const old of byAge(dirname(folder)).slice(KEPT)) rmSync(old, { recursive: true, force: true });

/** What is in a folder, the newest first. */
function byAge(parent: string): string[] {
  return readdirSync(parent)
    .map((name) => join(parent, name))
    .map((path) => ({ path, made: statSync(path).mtimeMs }))
    .sort((one, other) => other.made - one.made)
    .map(({ path }) => path);
}

/** In one file, whatever is loaded later: a daemon goes on with what it was when its sources are replaced. */
async function bundle(path: string): Promise<void> {
  const { output } = await build({
    input: join(SOURCES, path),
    platform: 'node',
    // Its native part is found by where it lies.
    external: ['koffi'],
    // ws looks for native helpers that it does without; nothing is to be loaded from around where the file lies.
    transform: { define: { 'process.env.WS_NO_BUFFER_UTIL': '"1"', 'process.env.WS_NO_UTF_8_VALIDATE': '"1"' } },
    write: false,
    output: {
      // Not ESM: import statements read every export of Node's modules, and load what these load lazily.
      format: 'cjs',
      codeSplitting: false,
      comments: false,
      paths: { koffi: createRequire(import.meta.url).resolve('koffi') },
    },
  });
  const file = join(folder, `${basename(path, '.ts')}.cjs`);
  const unfinished = `${file}.${process.pid}`;
  writeFileSync(unfinished, inAscii(output[0].code));
  renameSync(unfinished, file);
}

/** Without comments other letters are in texts only. With them V8 would take two bytes for every character of the file. */
function inAscii(code: string): string {
  return code.replace(/[^\0-\x7f]/g, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
