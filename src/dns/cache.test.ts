import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import fc from 'fast-check';
import { decode, encodeQuery } from '../../test/dns/reference.ts';
import { AnswerCache } from './cache.ts';
import { lifetimeOf } from './lifetime.ts';
import { parseQuery, type Query } from './message.ts';

const QUERY = encodeQuery({ id: 7, labels: ['eXample', 'com'] });
const A = 1;

function parsed(message: Buffer): Query {
  const query = parseQuery(message);
  assert.ok(query?.kind === 'query');
  return query;
}

interface Section {
  readonly type: number;
  readonly ttl: number;
  readonly data: Buffer;
}

/** A server's message with records that point at the question's name. */
function reply(query: Buffer, sections: { answers?: Section[]; authorities?: Section[]; rcode?: number }): Buffer {
  const { answers = [], authorities = [], rcode = 0 } = sections;
  const records = [...answers, ...authorities].map(({ type, ttl, data }) => {
    const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length]);
    head.writeUInt32BE(ttl, 6);
    return Buffer.concat([head, data]);
  });
  const message = Buffer.concat([query, ...records]);
  message.writeUInt16BE(0x8180 | rcode, 2);
  message.writeUInt16BE(answers.length, 6);
  message.writeUInt16BE(authorities.length, 8);
  return message;
}

const address = (ttl: number): Section => ({ type: A, ttl, data: Buffer.of(192, 0, 2, 1) });
const alias = (ttl: number): Section => ({ type: 5, ttl, data: Buffer.of(1, 0x78, 0) });
const soa = (ttl: number, minimum: number): Section => {
  const data = Buffer.alloc(22);
  data.writeUInt32BE(minimum, 18);
  return { type: 6, ttl, data };
};
const lifetime = (sections: Parameters<typeof reply>[1]) => lifetimeOf(reply(QUERY, sections), QUERY.length);

test('an answer holds as long as its shortest-lived record', () => {
  assert.deepEqual(lifetime({ answers: [alias(30), address(60)] }), { seconds: 30, negative: false, ttls: [35, 50] });
  assert.equal(lifetime({ answers: [address(0)] }), undefined);
  assert.equal(lifetime({ answers: [address(0x8000_0000)] }), undefined, 'RFC 2181: a negative TTL is zero');
});

test('what is not there holds as long as its SOA record says, and not at all without one', () => {
  assert.equal(lifetime({ rcode: 3, authorities: [soa(600, 40)] })?.seconds, 40);
  assert.equal(lifetime({ rcode: 3, authorities: [soa(20, 40)] })?.seconds, 20);
  assert.equal(lifetime({ authorities: [soa(600, 40)] })?.seconds, 40, 'no such record');
  assert.equal(lifetime({ answers: [alias(30)], authorities: [soa(600, 40)] })?.seconds, 30, 'an alias for nothing');
  assert.equal(lifetime({ rcode: 3 }), undefined);
  assert.equal(lifetime({}), undefined, 'a referral, or nothing at all');
});

test('errors, truncated and malformed messages are not kept', () => {
  assert.equal(lifetime({ rcode: 2, authorities: [soa(600, 40)] }), undefined);
  const whole = reply(QUERY, { answers: [address(60)] });
  assert.equal(lifetimeOf(whole.subarray(0, whole.length - 1), QUERY.length), undefined);
  const cut = Buffer.from(whole);
  cut.writeUInt8(cut.readUInt8(2) | 2, 2);
  assert.equal(lifetimeOf(cut, QUERY.length), undefined);
});

test('names that point at themselves or at each other are stepped over, and those that never end are malformed', () => {
  const record = Buffer.from([0xc0, QUERY.length, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
  const circle = Buffer.concat([QUERY, record]);
  circle.writeUInt16BE(0x8180, 2);
  circle.writeUInt16BE(1, 6);
  assert.equal(lifetimeOf(circle, QUERY.length)?.seconds, 60);
  const endless = Buffer.concat([QUERY, Buffer.alloc(4_000, 1)]);
  endless.writeUInt16BE(0x8180, 2);
  endless.writeUInt16BE(0xffff, 6);
  assert.equal(lifetimeOf(endless, QUERY.length), undefined);
});

test('whatever bytes a server sends, reading them ends and throws nothing', () => {
  const whole = reply(QUERY, { answers: [alias(30), address(60)], authorities: [soa(60, 60)] });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length), fc.nat(255)), { maxLength: 6 }),
      fc.nat(whole.length),
      (edits, cut) => {
        const message = Buffer.from(whole.subarray(0, Math.max(cut, QUERY.length)));
        for (const [at, value] of edits) if (at < message.length) message[at] = value;
        lifetimeOf(message, QUERY.length);
      },
    ),
    { numRuns: 3_000 },
  );
});

test('what is kept comes back under the client’s id and case, its TTL counted down, until it is over', () => {
  mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  try {
    const cache = new AnswerCache();
    const key = AnswerCache.key('/192.0.2.1/', parsed(QUERY));
    cache.store(key, reply(QUERY, { answers: [address(60)] }), QUERY.length);
    mock.timers.tick(12_500);
    const other = encodeQuery({ id: 9, labels: ['EXAMPLE', 'com'] });
    const found = cache.find(AnswerCache.key('/192.0.2.1/', parsed(other)), other, other.length);
    const { id, questions, answers } = decode(found ?? Buffer.of());
    assert.deepEqual([id, questions[0]?.name, answers[0]?.ttl], [9, 'EXAMPLE.com', 48]);
    mock.timers.tick(47_500);
    assert.equal(cache.find(key, QUERY, QUERY.length), undefined);
    assert.equal(cache.size, 0);
  } finally {
    mock.timers.reset();
  }
});

test('another place, another type, EDNS, DO, CD: another answer', () => {
  const key = (scope: string, message: Buffer) => AnswerCache.key(scope, parsed(message));
  const checking = Buffer.from(QUERY);
  checking.writeUInt8(0x10, 3);
  const edns = encodeQuery({ labels: ['example', 'com'], edns: { size: 1232 } });
  const signed = Buffer.from(edns);
  signed.writeUInt8(0x80, signed.length - 4);
  const keys = [
    key('a', QUERY),
    key('b', QUERY),
    key('a', encodeQuery({ labels: ['example', 'com'], type: 28 })),
    key('a', checking),
    key('a', edns),
    key('a', signed),
    key('a', encodeQuery({ labels: ['example.com'] })),
    key('a', encodeQuery({ labels: ['example\\', 'com'] })),
  ];
  assert.equal(new Set(keys).size, keys.length);
});

test('a query with options of its own is nobody else’s', () => {
  const edns = encodeQuery({ labels: ['example', 'com'], edns: { size: 1232 } });
  const cookie = Buffer.concat([edns, Buffer.of(0, 10, 0, 1, 7)]);
  cookie.writeUInt16BE(5, edns.length - 2);
  assert.deepEqual([parsed(QUERY).plain, parsed(edns).plain, parsed(cookie).plain], [true, true, false]);
});

test('however much is asked, what is kept is bounded, and the newest is there', () => {
  const cache = new AnswerCache();
  for (let index = 0; index < 10_000; index++) {
    const query = encodeQuery({ labels: [`n${index}`, 'example'] });
    cache.store(`n${index}`, reply(query, { answers: [address(60)] }), query.length);
  }
  assert.ok(cache.size <= 8_192);
  const last = encodeQuery({ labels: ['n9999', 'example'] });
  assert.ok(cache.find('n9999', last, last.length) !== undefined);
  cache.clear();
  assert.equal(cache.find('n9999', last, last.length), undefined);
});
