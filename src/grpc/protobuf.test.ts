import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { timestamp } from '../runtime/containerd/protos/types.ts';
import {
  boolean,
  bytes,
  enumeration,
  integer,
  message,
  nested,
  repeated,
  repeatedString,
  string,
  stringMap,
} from './protobuf.ts';

const Inner = message({ name: string(1), size: integer(2) });
const All = message({
  text: string(1),
  number: integer(2),
  flag: boolean(3),
  data: bytes(4),
  kind: enumeration(5, ['none', 'some', 'all']),
  inner: nested(6, Inner),
  list: repeated(7, Inner),
  words: repeatedString(8),
  labels: stringMap(20),
});

test('bytes are those of protoc', () => {
  assert.equal(All.encode({ text: 'hi' }).toString('hex'), '0a026869');
  assert.equal(All.encode({ number: 300 }).toString('hex'), '10ac02');
  assert.equal(All.encode({ number: -1 }).toString('hex'), '10ffffffffffffffffff01');
  assert.equal(All.encode({ flag: true, kind: 'all' }).toString('hex'), '18012802');
  assert.equal(All.encode({ inner: {} }).toString('hex'), '3200');
  assert.equal(All.encode({ words: ['', 'a'] }).toString('hex'), '4200420161');
  assert.equal(All.encode({ labels: { a: 'b' } }).toString('hex'), 'a201060a0161120162');
});

test('defaults are not sent, and come back', () => {
  assert.equal(All.encode({ text: '', number: 0, flag: false, kind: 'none', list: [], labels: {} }).length, 0);
  assert.deepEqual(All.decode(Buffer.alloc(0)), {
    text: '',
    number: 0,
    flag: false,
    data: Buffer.alloc(0),
    kind: 'none',
    inner: undefined,
    list: [],
    words: [],
    labels: {},
  });
});

test('what is encoded is decoded', () => {
  const plain = { noNullPrototype: true } as const;
  const inner = fc.record({ name: fc.string(), size: fc.maxSafeInteger() }, plain);
  const all = fc.record(
    {
      text: fc.string({ unit: 'grapheme' }),
      number: fc.maxSafeInteger(),
      flag: fc.boolean(),
      data: fc.uint8Array().map((data) => Buffer.from(data)),
      kind: fc.constantFrom('none', 'some', 'all'),
      inner: fc.option(inner, { nil: undefined }),
      list: fc.array(inner),
      words: fc.array(fc.string()),
      labels: fc.dictionary(
        fc.string().filter((key) => key !== '__proto__'),
        fc.string(),
        { noNullPrototype: true },
      ),
    },
    plain,
  );
  fc.assert(
    fc.property(all, (value) => {
      const encoded = All.encode(value);
      assert.deepEqual(All.decode(encoded), value);
      assert.deepEqual(Buffer.concat(All.pieces(value)), encoded);
    }),
  );
});

test('unknown fields are skipped, cut messages refused', () => {
  const encoded = All.encode({ text: 'x', number: 5, words: ['a'], data: Buffer.from('abc') });
  assert.deepEqual(message({ number: integer(2) }).decode(encoded), { number: 5 });
  assert.throws(() => All.decode(encoded.subarray(0, -1)), RangeError);
  assert.throws(() => All.decode(Buffer.from('10ffffffffffffffffffffff', 'hex')), RangeError);
  assert.throws(() => All.decode(Buffer.from('7f', 'hex')), /unknown wire type/);
});

test('times have nine decimals at most, and none without need', () => {
  const wire = message({ time: nested(1, message({ seconds: integer(1), nanos: integer(2) })) });
  const read = message({ time: timestamp(1) });
  const time = (seconds: number, nanos: number) => read.decode(wire.encode({ time: { seconds, nanos } })).time;
  assert.equal(time(1_700_000_000, 0), '2023-11-14T22:13:20Z');
  assert.equal(time(1_700_000_000, 120_000_000), '2023-11-14T22:13:20.12Z');
  assert.equal(time(1_700_000_000, 1), '2023-11-14T22:13:20.000000001Z');
  assert.equal(time(-62_135_596_800, 0), '0001-01-01T00:00:00Z');
  assert.equal(read.decode(Buffer.alloc(0)).time, '0001-01-01T00:00:00Z');
});
