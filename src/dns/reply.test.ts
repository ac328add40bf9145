import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decode, encodeQuery } from '../../test/dns/reference.ts';
import { addressBytes, addressFromBytes, familyOf, parseIpAddress } from '../model/address.ts';
import { parseQuery, type Query } from './message.ts';
import { replyLimit, writeRefusal, writeReply } from './reply.ts';

function parsed(message: Buffer): Query {
  const query = parseQuery(message);
  assert.ok(query?.kind === 'query');
  return query;
}

const address = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((bytes) => addressFromBytes(bytes));
const edns = fc.option(fc.record({ size: fc.nat(65_535) }), { nil: undefined });

test('any list of addresses comes back whole, or cut to what fits and marked so', () => {
  fc.assert(
    fc.property(fc.array(address, { maxLength: 200 }), edns, fc.constantFrom('udp', 'tcp'), (list, opt, protocol) => {
      const message = encodeQuery({ id: 99, labels: ['wEb', 'app'], ...(opt && { edns: opt }) });
      const query = parsed(message);
      const limit = replyLimit(query, protocol);
      const bytes = writeReply(message, query, { kind: 'addresses', addresses: list }, limit);
      const reply = decode(bytes);
      assert.ok(bytes.length <= limit);
      assert.deepEqual(reply.questions, [{ name: 'wEb.app', type: 1, class: 1 }]);
      assert.deepEqual([reply.id, reply.response, reply.rcode], [99, true, 0]);
      assert.deepEqual([reply.recursionDesired, reply.recursionAvailable], [true, true]);
      assert.equal(reply.additionals.length, opt === undefined ? 0 : 1);
      const expected = list.slice(0, reply.answers.length).map((one) => ({
        name: 'wEb.app',
        type: familyOf(one) === 4 ? 1 : 28,
        class: 1,
        ttl: 5,
        data: familyOf(one) === 4 ? one : Buffer.from(addressBytes(one)).toString('hex'),
      }));
      assert.deepEqual(reply.answers, expected);
      assert.equal(reply.truncated, reply.answers.length < list.length);
      if (protocol === 'tcp') assert.equal(reply.answers.length, list.length);
    }),
  );
});

test('over UDP an answer without EDNS takes 512 bytes, with it up to 4096', () => {
  const plain = parsed(encodeQuery({ labels: ['web'] }));
  assert.equal(replyLimit(plain, 'udp'), 512);
  assert.equal(replyLimit(plain, 'tcp'), 65_535);
  assert.equal(replyLimit(parsed(encodeQuery({ labels: ['web'], edns: { size: 1232 } })), 'udp'), 1_232);
  assert.equal(replyLimit(parsed(encodeQuery({ labels: ['web'], edns: { size: 65_535 } })), 'udp'), 4_096);
});

test('an empty answer keeps the question and says the code', () => {
  const message = encodeQuery({ labels: ['web'], type: 28, edns: { size: 1232 } });
  const reply = decode(writeReply(message, parsed(message), { kind: 'empty', rcode: 0 }, 512));
  assert.deepEqual([reply.rcode, reply.answers.length, reply.truncated], [0, 0, false]);
  assert.equal(reply.questions[0]?.type, 28);
  assert.deepEqual([reply.additionals[0]?.type, reply.additionals[0]?.class], [41, 4096]);
  assert.equal(decode(writeReply(message, parsed(message), { kind: 'empty', rcode: 2 }, 512)).rcode, 2);
});

test('a pointer answer fits any name, long labels cut to what DNS carries', () => {
  const message = encodeQuery({ labels: ['2', '0', '0', '10', 'in-addr', 'arpa'], type: 12 });
  const nameFor = (name: string) =>
    decode(writeReply(message, parsed(message), { kind: 'name', name }, 512)).answers[0]?.data;
  assert.equal(nameFor('web.app'), 'web.app');
  assert.equal(nameFor(`${'x'.repeat(80)}.app`), `${'x'.repeat(63)}.app`);
  assert.ok((nameFor(Array(9).fill('y'.repeat(40)).join('.')) ?? '').length <= 253);
  fc.assert(fc.property(fc.string({ maxLength: 400 }), (name) => void nameFor(name)));
});

test('a service has its targets with their addresses beside them, as far as they fit', () => {
  const services = Array.from({ length: 40 }, (_, index) => ({
    name: `web${index}.app`,
    port: 8_080,
    addresses: [parseIpAddress(`10.0.0.${index}`), parseIpAddress(`fd00::${index}`)],
  }));
  const message = encodeQuery({ labels: ['_8080', '_tcp', 'web'], type: 33, edns: { size: 4_096 } });
  const written = (count: number, limit: number) =>
    decode(writeReply(message, parsed(message), { kind: 'services', services: services.slice(0, count) }, limit));
  const one = written(1, 512);
  assert.deepEqual(
    [one.answers[0]?.type, one.answers[0]?.data],
    [33, '000000001f90' + '0477656230' + '03617070' + '00'],
  );
  assert.deepEqual(
    one.additionals.map(({ name, type }) => [name, type]),
    [
      ['web0.app', 1],
      ['web0.app', 28],
      ['', 41],
    ],
  );
  const some = written(12, 512);
  assert.deepEqual([some.answers.length, some.truncated], [12, false]);
  assert.ok(some.additionals.length < 25);
  const many = written(40, 512);
  assert.ok(many.truncated && many.answers.length < 40);
});

test('a refusal is a bare header, with EDNS only for an unknown version of it', () => {
  const message = encodeQuery({ id: 5, labels: ['web'], edns: { size: 512, version: 1 } });
  assert.deepEqual(writeRefusal(message, 1), Buffer.from([0, 5, 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0]));
  const version = decode(writeRefusal(message, 16));
  assert.deepEqual([version.rcode, version.additionals[0]?.ttl], [0, 1 << 24]);
});
