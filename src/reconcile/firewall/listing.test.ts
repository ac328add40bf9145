import assert from 'node:assert/strict';
import { test } from 'node:test';
import { elementId } from './element.ts';
import { fingerprint, readListing } from './listing.ts';

const set = (name: string, elem?: unknown) => ({
  set: { name, table: 't', type: 'x', handle: 7, ...(elem ? { elem } : {}) },
});
const map = (name: string, elem?: unknown) => ({
  map: { name, table: 't', type: 'x', handle: 8, ...(elem ? { elem } : {}) },
});
const rule = (handle: number, expr: unknown) => ({ rule: { table: 't', chain: 'c', handle, expr } });
const listing = (...objects: object[]) => readListing({ nftables: [{ metainfo: { version: '1.0.6' } }, ...objects] });

test('elements are read as they were written', () => {
  const prefix = { prefix: { addr: '10.0.0.0', len: 24 } };
  const { elements } = listing(
    set('bridges', ['br0', '123']),
    set('subnets4', [{ concat: [prefix, 'br0'] }, { concat: ['10.0.1.4', 'br1'] }]),
    set('masqueraded4', [{ elem: { val: { concat: [prefix, 'ipv4'] }, comment: 'br0' } }]),
    map('port4', [
      [{ elem: { val: { concat: ['127.0.0.1', 'tcp', 80] }, comment: 'b' } }, { concat: ['10.0.0.2', 8080] }],
    ]),
    map('range4_any', [[{ elem: { val: { concat: ['udp', { range: [5000, 5003] }] }, comment: 'b' } }, '10.0.0.2']]),
  );
  assert.deepEqual(elements.map(elementId), [
    'bridges { "br0" }',
    'bridges { "123" }',
    'subnets4 { 10.0.0.0/24 . "br0" }',
    'subnets4 { 10.0.1.4 . "br1" }',
    'masqueraded4 { 10.0.0.0/24 . ipv4 comment "br0" }',
    'port4 { 127.0.0.1 . tcp . 80 comment "b" : 10.0.0.2 . 8080 }',
    'range4_any { udp . 5000-5003 comment "b" : 10.0.0.2 }',
  ]);
});

test('a protocol’s number means its name', () => {
  const port = (protocol: number) => map('port4_any', [[{ concat: [protocol, 6] }, { concat: ['10.0.0.2', 17] }]]);
  const { elements } = listing(port(6), port(17));
  assert.deepEqual(
    elements.map(({ key, value }) => [key, value]),
    [
      ['tcp . 6', '10.0.0.2 . 17'],
      ['udp . 6', '10.0.0.2 . 17'],
    ],
  );
});

test('the fingerprint knows neither handles nor elements, but all the rest and its order, and what the table was made from', () => {
  const of = (...objects: object[]) => fingerprint('t', listing(...objects));
  const drop = rule(1, [{ drop: null }]);
  const accept = rule(2, [{ accept: null }]);
  const whole = of(set('bridges'), drop, accept);
  assert.match(whole, /^[0-9a-f]{16}$/);
  assert.equal(of(set('bridges', ['br0']), rule(11, [{ drop: null }]), accept), whole);
  assert.notEqual(of(set('bridges'), accept, drop), whole);
  assert.notEqual(of(set('bridges'), drop), whole);
  assert.notEqual(of(set('bridges'), set('more'), drop, accept), whole);
  assert.notEqual(fingerprint('u', listing(set('bridges'), drop, accept)), whole);
});

test('what the table says of its own making is read apart', () => {
  const { elements, original } = listing(set('fingerprint', [{ elem: { val: 1, comment: 'abc' } }]));
  assert.deepEqual(elements, []);
  assert.equal(original, 'abc');
  assert.equal(listing(set('fingerprint')).original, undefined);
});

test('what cannot be understood is kept as something nobody wrote', () => {
  const { elements } = listing(
    set('bridges', [{ strange: true }, null]),
    map('port4', ['no pair']),
    set('foreign', ['x']),
  );
  assert.deepEqual(elements.map(elementId), [
    'bridges { {"strange":true} }',
    'bridges { null }',
    'port4 { no pair :  }',
  ]);
  assert.deepEqual(readListing(undefined).elements, []);
});
