import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLogConfig, delivery, mergeLogConfig, rotation } from './settings.ts';

test('a container’s options come before the daemon’s, and only its own driver’s are taken over', () => {
  const defaults = { driver: 'json-file', options: { 'max-size': '10m', tag: 'a' } };
  assert.deepEqual(mergeLogConfig({ driver: '', options: { tag: 'b' } }, defaults), {
    driver: 'json-file',
    options: { 'max-size': '10m', tag: 'b' },
  });
  assert.deepEqual(mergeLogConfig({ driver: 'local', options: {} }, defaults), { driver: 'local', options: {} });
});

test('local turns over by itself, json-file when told', () => {
  assert.deepEqual(rotation('json-file', {}), { maxFiles: 1, compress: false });
  assert.deepEqual(rotation('json-file', { 'max-size': '1.5k', 'max-file': '2', compress: 'T' }), {
    maxSize: 1500,
    maxFiles: 2,
    compress: true,
  });
  assert.deepEqual(rotation('local', {}), { maxSize: 20 << 20, maxFiles: 5, compress: true });
  assert.deepEqual(rotation('local', { 'max-file': '1' }), { maxSize: 20 << 20, maxFiles: 1, compress: false });
});

test('without blocking a megabyte may wait', () => {
  assert.deepEqual(delivery({}), {});
  assert.deepEqual(delivery({ mode: 'non-blocking' }), { dropBeyond: 1 << 20 });
  assert.deepEqual(delivery({ mode: 'non-blocking', 'max-buffer-size': '4k' }), { dropBeyond: 4096 });
});

test('what is no setting is refused in Docker’s words', () => {
  const cases: [string, Record<string, string>, RegExp][] = [
    ['syslog', {}, /^logger: no log driver named 'syslog' is registered$/],
    ['journald', { 'max-size': '1m' }, /^unknown log opt 'max-size' for journald log driver$/],
    ['json-file', { 'max-size': '0' }, /^max-size must be a positive number$/],
    ['json-file', { 'max-size': '-1k' }, /^max-size must be a positive number$/],
    ['json-file', { 'max-file': 'two' }, /^strconv.Atoi: parsing "two": invalid syntax$/],
    ['json-file', { 'max-file': '1000000' }, /^max-file cannot be more than 1000$/],
    ['json-file', { compress: 'yes' }, /^strconv.ParseBool/],
    [
      'json-file',
      { compress: 'true', 'max-file': '3' },
      /^compress cannot be true when max-file is less than 2 or max-size/,
    ],
    ['json-file', { 'env-regex': '(' }, /^error parsing regexp/],
    ['json-file', { tag: '{{upper .Name}}' }, /is not supported by Fairway: it may hold \{\{.ID\}\}/],
  ];
  for (const [driver, options, message] of cases) assert.throws(() => checkLogConfig({ driver, options }), { message });
  checkLogConfig({ driver: 'none', options: { whatever: 'is not looked at' } });
  checkLogConfig({ driver: 'json-file', options: { tag: 'web-{{ .ID }}', 'labels-regex': '^com\\.' } });
});
