import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HostResolver } from './host-resolver.ts';

const nothing = () => undefined;
const QUIET = { debug: nothing, info: nothing, warn: nothing, error: nothing };

test('every way in which a resolv.conf is changed is seen: written, replaced, led elsewhere, removed, made with its folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'resolver-'));
  const file = join(folder, 'resolv.conf');
  const systemd = join(folder, 'run/systemd/resolve/resolv.conf');
  writeFileSync(file, 'nameserver 192.0.2.1\n');
  using resolver = new HostResolver(QUIET, [file, systemd]);
  let told = 0;
  resolver.onChange(() => told++);
  resolver.watch();
  const after = async (what: string, change: () => void) => {
    const before = told;
    change();
    const deadline = performance.now() + 10_000;
    while (told === before && performance.now() < deadline) await sleep(5);
    assert.equal(told, before + 1, what);
    // The next change must not fall into the time this one takes to settle
    await sleep(60);
  };
  try {
    await after('written', () => writeFileSync(file, 'nameserver 192.0.2.2\n'));
    await after('written again', () => writeFileSync(file, 'nameserver 192.0.2.3\n'));
    await after('replaced', () => {
      writeFileSync(`${file}.new`, 'nameserver 192.0.2.4\n');
      renameSync(`${file}.new`, file);
    });
    await after('led elsewhere', () => {
      mkdirSync(join(folder, 'manager'));
      writeFileSync(join(folder, 'manager/resolv.conf'), 'nameserver 192.0.2.5\n');
      rmSync(file);
      symlinkSync('manager/resolv.conf', file);
    });
    await after('written there', () => writeFileSync(join(folder, 'manager/resolv.conf'), 'nameserver 192.0.2.6\n'));
    mkdirSync(join(folder, 'run'));
    await sleep(60);
    await after('made with its folders', () => {
      mkdirSync(join(folder, 'run/systemd/resolve'), { recursive: true });
      writeFileSync(systemd, 'nameserver 192.0.2.7\n');
    });
    await after('removed', () => rmSync(systemd));
    assert.equal(resolver.version(), told);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
