import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseFilters } from './filters.ts';
import { parseMoment, queryFlag, terminalSize } from './query.ts';

const filters = (value: object) => parseFilters(JSON.stringify(value));

describe('filters', () => {
  test('both forms say the same', () => {
    assert.deepEqual(filters({ k: ['a', 'b'] }).get('k'), ['a', 'b']);
    assert.deepEqual(filters({ k: { a: true, b: true, c: false } }).get('k'), ['a', 'b']);
  });

  test('no filters match everything', () => {
    for (const text of [null, '', '{}', '{"name":[]}']) assert.ok(parseFilters(text).pattern('name')('x'));
  });

  for (const text of ['[]', '1', '{', '{"k":1}', '{"k":[1]}', 'null']) {
    test(`${text} is refused`, () => assert.throws(() => parseFilters(text), { message: 'invalid filter' }));
  }

  test('labels must all match, by key or by key and value', () => {
    const labels = { a: '1', b: '' };
    assert.ok(filters({ label: ['a', 'a=1', 'b='] }).labels(labels));
    assert.ok(!filters({ label: ['a', 'c'] }).labels(labels));
    assert.ok(!filters({ label: ['toString'] }).labels(labels));
    assert.ok(!filters({ 'label!': ['a=1'] }).labels(labels));
  });

  test('names are unanchored expressions', () => {
    assert.ok(filters({ name: ['eb'] }).pattern('name')('web'));
    assert.ok(!filters({ name: ['^eb'] }).pattern('name')('web'));
    assert.ok(filters({ name: ['^(web|db)$', 'x'] }).pattern('name')('db'));
  });

  for (const text of ['(', '(a+)+$', 'a*b*c*d*', '(?=x)', '(a)\\1', 'x'.repeat(300)]) {
    test(`the expression ${text.slice(0, 20)} is refused`, () =>
      assert.throws(() => filters({ name: [text] }).pattern('name'), { kind: 'invalidArgument' }));
  }

  test('prune takes moments and durations', () => {
    const now = 1_000_000_000;
    assert.equal(filters({ until: ['1h30m'] }).prune(now).until, now - 90 * 60_000);
    assert.equal(filters({ until: ['1500'] }).prune(now).until, 1_500_000);
    assert.throws(() => filters({ until: ['soon'] }).prune(now), { kind: 'invalidArgument' });
    assert.throws(() => filters({ until: ['1500', '2500'] }).prune(now), /more than one until filter specified/);
  });
});

describe('query parameters', () => {
  test('booleans', () => {
    for (const value of ['1', 'true', 'True', 'yes']) assert.ok(queryFlag(new URLSearchParams({ v: value }), 'v'));
    for (const value of ['', '0', 'no', 'False', 'none']) {
      assert.ok(!queryFlag(new URLSearchParams({ v: value }), 'v'));
    }
    assert.ok(!queryFlag(new URLSearchParams(), 'v'));
  });

  test('moments', () => {
    assert.equal(parseMoment('', 'since'), undefined);
    assert.equal(parseMoment('0', 'since'), undefined);
    assert.equal(parseMoment('12', 'since'), 12_000_000_000n);
    assert.equal(parseMoment('1.000000012', 'since'), 1_000_000_012n);
    assert.equal(parseMoment('1970-01-01T00:00:01.5Z', 'since'), 1_500_000_000n);
    assert.equal(parseMoment('1970-01-01T01:00:00+01:00', 'since'), 0n);
    for (const text of ['yesterday', '1e9', '2026-13-01T00:00:00Z', '1'.repeat(40)]) {
      assert.throws(() => parseMoment(text, 'since'), { kind: 'invalidArgument' });
    }
  });

  test('terminal sizes are bounded', () => {
    assert.deepEqual(terminalSize(new URLSearchParams('h=24&w=80')), { height: 24, width: 80 });
    for (const query of ['w=80', 'h=-1&w=80', 'h=24&w=70000', 'h=x&w=1']) {
      assert.throws(() => terminalSize(new URLSearchParams(query)), { kind: 'invalidArgument' });
    }
  });
});
