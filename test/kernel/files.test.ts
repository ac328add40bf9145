import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeFifo } from '../../src/kernel/fifo.ts';
import { NetworkNamespace } from '../../src/kernel/netns.ts';
import { readSysctl, writeSysctl } from '../../src/kernel/sysctl.ts';
import { KernelError } from '../../src/model/errors.ts';
import { Namespaces } from './namespaces.ts';

let directory = '';

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'fairway-files-'));
});
after(() => rmSync(directory, { recursive: true }));

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof KernelError && error.code === code;
}

test('a FIFO is made once', () => {
  const path = join(directory, 'fifo');
  makeFifo(path, 0o600);
  assert.ok(statSync(path).isFIFO());
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.throws(() => makeFifo(path, 0o600), hasCode('EEXIST'));
});

test('a sysctl is held by its namespace alone', async () => {
  using namespaces = await Namespaces.begin();
  const [here, there] = [namespaces.make('here'), namespaces.make('there')];
  const path = 'net/ipv4/ip_default_ttl';
  const home = readSysctl(NetworkNamespace.home(), path);
  writeSysctl(here, path, '77');
  assert.equal(readSysctl(here, path), '77');
  assert.equal(readSysctl(there, path), '64');
  assert.equal(readSysctl(NetworkNamespace.home(), path), home);
});

test('a sysctl that is missing, a value that is refused and a path that leads out are errors', async () => {
  using namespaces = await Namespaces.begin();
  const namespace = namespaces.make('a');
  assert.throws(() => readSysctl(namespace, 'net/ipv4/nothing'), {
    message: 'Cannot read sysctl net/ipv4/nothing: ENOENT',
  });
  assert.throws(() => writeSysctl(namespace, 'net/ipv4/ip_default_ttl', '999'), hasCode('EINVAL'));
  assert.throws(() => readSysctl(namespace, '../self/status'), TypeError);
});
