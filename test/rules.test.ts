import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';

/** A rule that cannot fail protects nothing: each violation below is planted in a copy of the rules and must be found. */
const root = join(import.meta.dirname, '..');
let copy = '';

before(async () => {
  copy = await mkdtemp(join(tmpdir(), 'fairway-rules-'));
  for (const file of ['biome.json', 'knip.json', 'package.json', 'tsconfig.json'])
    await cp(join(root, file), join(copy, file));
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  await plantAll();
});

after(() => rm(copy, { recursive: true }));

async function plant(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(copy, name)), { recursive: true });
    await writeFile(join(copy, name), content);
  }
}

/** What a tool prints; that it finds something is no failure. */
function output(tool: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(join(root, 'node_modules/.bin', tool), args, { cwd: copy, maxBuffer: 16 << 20 }, (_error, stdout) =>
      resolve(stdout),
    );
  });
}

const using = (path: string) => `import * as planted from '${path}';\nexport const used = planted;\n`;

const FORBIDDEN: readonly [string, string, string][] = [
  ['src/model/a.ts', '../kernel/sys.ts', 'model holds the words and imports nothing'],
  ['src/model/a.ts', 'node:fs', 'no I/O here'],
  ['src/kernel/a.ts', '../reconcile/a.ts', 'kernel knows only model'],
  ['src/kernel/a.ts', 'koffi', 'the FFI package is imported by kernel/sys.ts alone'],
  ['src/reconcile/a.ts', '../drivers/index.ts', 'reconcile knows kernel and model'],
  ['src/reconcile/a.ts', 'pino', 'npm packages stay out'],
  ['src/drivers/a.ts', '../kernel/sys.ts', 'drivers are pure'],
  ['src/drivers/bridge/a.ts', '../host/host.ts', 'a driver knows no other driver'],
  ['src/drivers/ipvlan/a.ts', '../macvlan/macvlan.ts', 'a driver knows no other driver'],
  ['src/drivers/macvlan/a.ts', '../bridge/options.ts', 'a driver knows no other driver'],
  ['src/ipam/a.ts', '../store/store.ts', 'ipam is pure'],
  ['src/dns/a.ts', '../engine/engine.ts', 'dns knows kernel and model'],
  ['src/store/a.ts', '../kernel/sys.ts', 'store knows only model'],
  ['src/grpc/a.ts', '../runtime/runtime.ts', 'grpc knows only model'],
  ['src/runtime/a.ts', '../reconcile/reconciler.ts', 'runtime knows kernel, grpc and model'],
  ['src/engine/a.ts', '../api/server.ts', 'engine serves api and cmd'],
  ['src/engine/a.ts', '../drivers/bridge/bridge.ts', 'drivers are known by their contract and their list'],
  ['src/engine/a.ts', '../buildkit/buildkit.ts', 'engine serves api and cmd'],
  ['src/buildkit/a.ts', '../runtime/runtime.ts', 'buildkit speaks to the engine, over grpc'],
  ['src/api/a.ts', '../grpc/server.ts', 'api speaks to the engine alone'],
  ['src/api/a.ts', '../reconcile/reconciler.ts', 'api speaks to the engine alone'],
  ['src/api/a.ts', 'node:child_process', 'child processes are started in runtime/ alone'],
  ['src/api/a.ts', '../../test/host.ts', 'the product does not know its tests'],
];

const ALLOWED: readonly [string, string][] = [
  ['src/kernel/sys.ts', 'koffi'],
  ['src/runtime/a.ts', 'node:child_process'],
  ['src/runtime/a.ts', '../grpc/service.ts'],
  ['src/engine/a.ts', '../drivers/index.ts'],
  ['src/buildkit/a.ts', '../engine/engine.ts'],
  ['src/api/a.ts', '../buildkit/buildkit.ts'],
  ['src/drivers/a.test.ts', 'fast-check'],
];

const LINES = Array.from({ length: 401 }, (_, i) => `  console.log(${i});`).join('\n');

interface Finding {
  readonly category: string;
  readonly message: string;
  readonly location: { readonly path: string };
}

/** Everything is planted at once, each violation in a file of its own, and found by one run. */
let findings: readonly Finding[] = [];

async function plantAll(): Promise<void> {
  const forbidden = FORBIDDEN.map(([file, imported], i) => [planted(file, i), using(imported)] as const);
  // That a file is looked at at all is seen by what else is wrong in it.
  const allowed = ALLOWED.map(([file, imported]) => [file, `${using(imported)}debugger;\n`] as const);
  await plant({
    ...Object.fromEntries([...forbidden, ...allowed]),
    'src/model/one.ts': "import { b } from './other.ts';\nexport const a: number = b;\n",
    'src/model/other.ts': "import { a } from './one.ts';\nexport const b: number = a;\n",
    'src/model/long.ts': `export function long(): void {\n${LINES}\n}\n`,
  });
  const said = await output('biome', ['lint', '--reporter=json', '--max-diagnostics=none', 'src']);
  findings = JSON.parse(said).diagnostics;
  await rm(join(copy, 'src'), { recursive: true });
}

/** A name no other violation has, in the same room. */
function planted(file: string, number: number): string {
  return join(dirname(file), `violation-${number}.ts`);
}

/** What rules say of a planted file, by their names. */
function found(file: string, rule: string): string[] {
  return findings
    .filter(({ location, category }) => location.path === file && category.endsWith(`/${rule}`))
    .map(({ message }) => message);
}

for (const [i, [file, imported, message]] of FORBIDDEN.entries()) {
  test(`${file} may not import ${imported}`, () => {
    const said = found(planted(file, i), 'noRestrictedImports');
    assert.ok(said.length === 1 && said[0]?.includes(message), said.join());
  });
}

for (const [file, imported] of ALLOWED) {
  test(`${file} may import ${imported}`, () => {
    assert.equal(found(file, 'noDebugger').length, 1);
    assert.deepEqual(found(file, 'noRestrictedImports'), []);
  });
}

test('a cycle of imports is found', () => {
  assert.equal(found('src/model/one.ts', 'noImportCycles').length, 1);
  assert.equal(found('src/model/other.ts', 'noImportCycles').length, 1);
});

test('a function of more than 50 lines and a file of more than 400 are found', () => {
  assert.equal(found('src/model/long.ts', 'noExcessiveLinesPerFunction').length, 1);
  assert.equal(found('src/model/long.ts', 'noExcessiveLinesPerFile').length, 1);
});

test('an export that nobody uses is found', async () => {
  await plant({
    'src/cmd/fairwayd.ts': "import { used } from '../model/a.ts';\nconsole.log(used);\n",
    'src/model/a.ts': 'export const used = 1;\nexport const planted = 2;\n',
  });
  assert.match(await output('knip', ['--include', 'exports']), /planted/);
});
