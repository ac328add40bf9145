import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

test('the daemon does not load undici, which an import of node:http by name would', () => {
  const modules = ['../api/server.ts', '../engine/engine.ts', './metrics.ts', './logger.ts'];
  const imports = modules.map((path) => `import ${JSON.stringify(join(import.meta.dirname, path))};`).join('');
  const script = `${imports} console.log(process.moduleLoadList.filter((name) => name.includes('undici')).join());`;
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script];
  assert.equal(execFileSync(process.execPath, flags, { encoding: 'utf8' }).trim(), '');
});
