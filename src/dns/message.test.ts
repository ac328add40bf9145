import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeQuery, encodeReply } from '../../test/dns/reference.ts';
import { isReplyTo, parseQuery } from './message.ts';

/** Labels as the wire allows them: 1 to 63 bytes of any value, 255 bytes in all. */
const labels = fc
  .array(
    fc.uint8Array({ minLength: 1, maxLength: 63 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    { maxLength: 8 },
  )
  .filter((list) => list.reduce((sum, label) => sum + 1 + label.length, 1) <= 255);

test('whatever bytes come, parsing ends and throws nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      parseQuery(Buffer.from(bytes));
    }),
    { numRuns: 2_000 },
  );
});

test('a query with any byte changed or cut off still throws nothing', () => {
  const whole = encodeQuery({ labels: ['web', 'app'], edns: { size: 1232 } });
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, value, length) => {
      const message = Buffer.from(whole);
      message[at] = value;
      parseQuery(message.subarray(0, length));
    }),
    { numRuns: 2_000 },
  );
});

test('every name the wire can carry is read, in lower case', () => {
  fc.assert(
    fc.property(labels, fc.nat(65_535), (list, type) => {
      const message = encodeQuery({ labels: list, type });
      const query = parseQuery(message);
      assert.ok(query?.kind === 'query');
      assert.equal(query.name, list.map((label) => label.replace(/[.\\]/g, '\\$&').toLowerCase()).join('.'));
      assert.equal(query.type, type);
      assert.equal(query.questionEnd, message.length);
    }),
  );
});

test('the size a client takes over UDP is at least 512 bytes', () => {
  const sizeOf = (edns?: { size: number }) => {
    const query = parseQuery(encodeQuery({ labels: ['web'], ...(edns && { edns }) }));
    return query?.kind === 'query' && [query.edns, query.udpSize];
  };
  assert.deepEqual(sizeOf(), [false, 512]);
  assert.deepEqual(sizeOf({ size: 100 }), [true, 512]);
  assert.deepEqual(sizeOf({ size: 1232 }), [true, 1232]);
});

test('what is no query gets no answer', () => {
  assert.equal(parseQuery(Buffer.alloc(11)), undefined);
  assert.equal(parseQuery(encodeReply(encodeQuery({ labels: ['web'] }))), undefined);
});

test('what cannot be read is refused with its code', () => {
  const query = encodeQuery({ labels: ['web'] });
  const changed = (change: (message: Buffer) => void): Buffer => {
    const message = Buffer.from(query);
    change(message);
    return message;
  };
  const rcodeFor = (message: Buffer) => {
    const parsed = parseQuery(message);
    return parsed?.kind === 'refusal' ? parsed.rcode : undefined;
  };
  assert.equal(rcodeFor(query), undefined);
  assert.equal(rcodeFor(changed((message) => message.writeUInt8(0x28, 2))), 4, 'opcode UPDATE');
  assert.equal(rcodeFor(changed((message) => message.writeUInt16BE(0, 4))), 1, 'no question');
  assert.equal(rcodeFor(changed((message) => message.writeUInt16BE(2, 4))), 1, 'two questions');
  assert.equal(rcodeFor(changed((message) => message.writeUInt16BE(0xc00c, 12))), 1, 'a name that points to itself');
  assert.equal(rcodeFor(changed((message) => message.writeUInt8(0x41, 12))), 1, 'a label of unknown kind');
  assert.equal(rcodeFor(changed((message) => message.writeUInt16BE(9, 10))), 1, 'records that are not there');
  assert.equal(rcodeFor(query.subarray(0, query.length - 1)), 1, 'half a class');
  assert.equal(rcodeFor(encodeQuery({ labels: Array(5).fill('x'.repeat(63)) })), 1, 'a name of 321 bytes');
  assert.equal(rcodeFor(encodeQuery({ labels: ['web'], edns: { size: 512, version: 1 } })), 16, 'EDNS version 1');
});

test('a reply is taken only with its id and its question', () => {
  const query = encodeQuery({ id: 7, labels: ['Web', 'app'] });
  const end = query.length;
  const reply = encodeReply(query, { addresses: ['10.0.0.1'] });
  assert.ok(isReplyTo(reply, query, end, 7));
  assert.ok(isReplyTo(encodeReply(encodeQuery({ id: 7, labels: ['wEB', 'APP'] })), query, end, 7), 'another case');
  assert.ok(!isReplyTo(reply, query, end, 8), 'another id');
  assert.ok(!isReplyTo(query, query, end, 7), 'no response');
  assert.ok(!isReplyTo(encodeReply(encodeQuery({ id: 7, labels: ['web', 'apq'] })), query, end, 7), 'another name');
  assert.ok(!isReplyTo(encodeReply(encodeQuery({ id: 7, labels: ['web', 'app'], type: 28 })), query, end, 7));
  assert.ok(!isReplyTo(reply.subarray(0, 11), query, end, 7));
});

test('whatever bytes come in place of a reply, it is taken only when the question is whole', () => {
  const query = encodeQuery({ id: 7, labels: ['web', 'app'] });
  const whole = encodeReply(query, { addresses: ['10.0.0.1'] });
  const edit = fc.tuple(fc.nat(whole.length - 1), fc.nat(255));
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 5 }), fc.nat(whole.length), (edits, length) => {
      const reply = Buffer.from(whole.subarray(0, length));
      for (const [at, value] of edits) if (at < length) reply[at] = value;
      if (!isReplyTo(reply, query, query.length, 7)) return;
      assert.ok(reply.readUInt16BE(4) === 0 || reply.length >= query.length);
    }),
    { numRuns: 2_000 },
  );
});

test('a message longer than any query, of a single name that never ends, is refused', () => {
  const endless = Buffer.alloc(65_535, 63);
  endless.fill(0, 0, 12);
  endless.writeUInt16BE(1, 4);
  assert.deepEqual(parseQuery(endless), { kind: 'refusal', rcode: 1 });
});

test('types differ by a bit that tells cases of letters apart', () => {
  const query = encodeQuery({ labels: ['web'], type: 65 });
  assert.ok(!isReplyTo(encodeReply(encodeQuery({ labels: ['web'], type: 97 })), query, query.length, 0x1234));
});

test('an error may come without its question, an answer may not', () => {
  const query = encodeQuery({ id: 7, labels: ['web'] });
  const bare = (rcode: number) => Buffer.from([0, 7, 0x81, 0x80 | rcode, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.ok(isReplyTo(bare(5), query, query.length, 7));
  assert.ok(!isReplyTo(bare(0), query, query.length, 7));
});
