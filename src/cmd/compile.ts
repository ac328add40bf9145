import { glob } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Imports everything the daemon may ever load, and ends: then the compile cache has it. A daemon that has to strip the types
 * of a single file loads a WebAssembly compiler for it, and keeps some 20 MB.
 */
const SOURCES = join(import.meta.dirname, '..');

for await (const path of glob('**/*.ts', {
  cwd: SOURCES,
  exclude: ['**/*.test.ts', 'cmd/fairway*.ts', 'cmd/compile.ts'],
})) {
  // A worker's module fails outside of its thread; it has been compiled by then.
  await import(join(SOURCES, path)).catch(() => undefined);
}
