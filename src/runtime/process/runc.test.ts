import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { makeFifo } from '../../kernel/fifo.ts';
import { hurryStart, noteStarted, provideRunc } from './runc.ts';

const folder = mkdtempSync(join(tmpdir(), 'fairway-runc-'));
after(() => rmSync(folder, { recursive: true }));
const script = provideRunc(join(folder, 'bin', 'runc'));

// What takes runc's place says that it was called, and whether the FIFO is still open.
writeFileSync(join(folder, 'runc'), '#!/bin/sh\necho "called: $*"\n[ ! -e /proc/self/fd/3 ] || echo held\n', {
  mode: 0o755,
});
const env = { PATH: `${folder}:${process.env['PATH']}` };

async function runc(...args: string[]): Promise<string> {
  const words = ['--root', folder, '--log', '/a b', ...args];
  // containerd calls it in the container's folder.
  const { stdout } = await promisify(execFile)(script, words, {
    env,
    cwd: join(folder, existsSync(join(folder, args.at(-1) ?? '')) ? (args.at(-1) ?? '') : ''),
  });
  return stdout.trim();
}

function created(id: string): string {
  const fifo = join(folder, id, 'exec.fifo');
  mkdirSync(join(folder, id));
  makeFifo(fifo, 0o600);
  return fifo;
}

test('a start takes the byte of the FIFO, and needs no runc', async () => {
  const fifo = created('web');
  const started = runc('start', 'web');
  // As runc's init: it opens the FIFO when there is a reader.
  const init = await open(fifo, 'w');
  await init.write('0');
  await init.close();
  assert.equal(await started, '');
});

test('what was started has no FIFO, also when that is noted twice or its folder is gone', () => {
  const fifo = created('noted');
  for (const id of ['noted', 'noted', 'none']) noteStarted(join(folder, id));
  assert.equal(existsSync(fifo), false);
});

test('a start that is hurried goes on waiting for a process that is still there', async () => {
  const fifo = created('late');
  writeFileSync(join(folder, 'late', 'init.pid'), String(process.pid));
  let ended = false;
  const started = runc('start', 'late').finally(() => (ended = true));
  for (let hurries = 0; hurries < 5; hurries++) {
    hurryStart(join(folder, 'late'));
    await sleep(20);
  }
  const init = await open(fifo, 'w');
  await init.write('0');
  await init.close();
  // The byte may have come and gone between two looks: then the next hurry finds it.
  while (!ended) {
    hurryStart(join(folder, 'late'));
    await sleep(20);
  }
  assert.equal(await started, '');
});

test('a start whose process is gone is runc’s, with a reader for whoever comes nevertheless', async () => {
  const { pid = 0 } = spawnSync('true');
  for (const [id, gone] of [
    ['ended', String(pid)],
    ['unknown', ''],
  ] as const) {
    const fifo = created(id);
    if (gone !== '') writeFileSync(join(folder, id, 'init.pid'), gone);
    let ended = false;
    const started = runc('start', id).finally(() => (ended = true));
    while (!ended) {
      hurryStart(join(folder, id));
      await sleep(20);
    }
    assert.equal(await started, `called: --root ${folder} --log /a b start ${id}\nheld`);
    assert.equal(existsSync(fifo), true);
    hurryStart(join(folder, id));
  }
  hurryStart(join(folder, 'none'));
});

test('what is gone need not be deleted by force; everything else is runc’s', async () => {
  const called = `called: --root ${folder} --log /a b`;
  mkdirSync(join(folder, 'old'));
  assert.equal(await runc('delete', '--force', 'gone'), '');
  assert.equal(await runc('delete', '--force', 'old'), `${called} delete --force old`);
  assert.equal(await runc('delete', 'gone'), `${called} delete gone`);
  // Started before: runc has the words for it.
  assert.equal(await runc('start', 'old'), `${called} start old`);
  assert.equal(await runc('kill', '--all', 'old', '9'), `${called} kill --all old 9`);
  assert.equal(await runc('exec', '--process', '/tmp/start', 'old'), `${called} exec --process /tmp/start old`);
});

test('the script of another version is replaced', () => {
  const path = join(folder, 'other', 'runc');
  mkdirSync(join(folder, 'other'));
  writeFileSync(path, '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  const before = statSync(path).ino;
  assert.equal(provideRunc(path), path);
  const after = statSync(path);
  assert.notEqual(after.ino, before);
  assert.equal(after.mode & 0o777, 0o755);
  provideRunc(path);
  assert.equal(statSync(path).ino, after.ino);
});
