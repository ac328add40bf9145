import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './config.ts';
import { parseInsecureRegistry, parseMirror } from './registry-options.ts';

test('dockerd’s defaults', () => {
  assert.deepEqual(loadConfig({}, '/dev/null').reloadable.registry, {
    mirrors: [],
    insecure: [],
    maxConcurrentDownloads: 3,
    maxConcurrentUploads: 5,
    maxDownloadAttempts: 5,
  });
});

test('mirrors are URLs without a path', () => {
  assert.equal(parseMirror('https://mirror.test/'), 'https://mirror.test');
  assert.equal(parseMirror('http://192.0.2.1:5000'), 'http://192.0.2.1:5000');
  assert.throws(() => parseMirror('mirror.test'), /invalid mirror: unable to parse URI/);
  assert.throws(() => parseMirror('ftp://mirror.test'), /unsupported scheme "ftp"/);
  assert.throws(() => parseMirror('https://mirror.test/v2/'), /path, query, or fragment/);
  assert.throws(() => parseMirror('https://me:secret@mirror.test'), /username\/password not allowed .*xxxxx/);
});

test('insecure registries are hosts or ranges', () => {
  assert.equal(parseInsecureRegistry('Registry.test:5000'), 'registry.test:5000');
  assert.equal(parseInsecureRegistry('10.0.0.0/8'), '10.0.0.0/8');
  assert.equal(parseInsecureRegistry('http://registry.test'), 'registry.test');
  for (const text of ['10.0.0.0/99', 'a/b', '-x', 'a b', '']) {
    assert.throws(() => parseInsecureRegistry(text), /insecure registry .* is not valid/);
  }
});

test('counts are positive', () => {
  const count = (text: string) =>
    loadConfig({ maxConcurrentDownloads: text }, '/dev/null').reloadable.registry.maxConcurrentDownloads;
  assert.equal(count('7'), 7);
  for (const text of ['0', '-1', 'x']) assert.throws(() => count(text), /invalid max concurrent downloads: /);
});
