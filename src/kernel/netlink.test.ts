import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KernelError } from '../model/errors.ts';
import {
  Attributes,
  fixedHeader,
  MessageBatch,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_REQUEST,
  NLMSG_ERROR,
  parseAcknowledgement,
  parseMessages,
} from './netlink.ts';

type Value =
  | { readonly kind: 'bytes'; readonly value: Uint8Array }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'u8' | 'u16' | 'u32' | 'be32'; readonly value: number }
  | { readonly kind: 'nest'; readonly value: readonly Attribute[] };
interface Attribute {
  readonly type: number;
  readonly content: Value;
}

const number = (kind: 'u8' | 'u16' | 'u32' | 'be32', bits: number) =>
  fc.record({ kind: fc.constant(kind), value: fc.nat(2 ** bits - 1) });
const leaf: fc.Arbitrary<Value> = fc.oneof(
  fc.record({ kind: fc.constant('bytes'), value: fc.uint8Array({ maxLength: 40 }) }),
  fc.record({ kind: fc.constant('text'), value: fc.string().filter((text) => !text.includes('\0')) }),
  number('u8', 8),
  number('u16', 16),
  number('u32', 32),
  number('be32', 32),
);
/** Each type once, as a reader by type wants it. */
const listOf = (content: fc.Arbitrary<Value>): fc.Arbitrary<Attribute[]> =>
  fc.uniqueArray(fc.record({ type: fc.integer({ min: 1, max: 0x3fff }), content }), {
    selector: ({ type }) => type,
    maxLength: 6,
  });
const nest = fc.record({ kind: fc.constant('nest'), value: listOf(leaf) });
const attributeList = listOf(fc.oneof(leaf, nest));
const message = fc.record({
  type: fc.nat(0xffff).filter((type) => type > 15),
  acknowledged: fc.boolean(),
  header: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  attributes: attributeList,
});

function write(batch: MessageBatch, attributes: readonly Attribute[]): void {
  for (const { type, content } of attributes) {
    if (content.kind === 'bytes') batch.bytes(type, content.value);
    else if (content.kind === 'text') batch.text(type, content.value);
    else if (content.kind === 'nest') batch.nest(type, (inner) => write(inner, content.value));
    else batch[content.kind](type, content.value);
  }
}

function check(read: Attributes, attributes: readonly Attribute[]): void {
  for (const { type, content } of attributes) {
    assert.ok(read.has(type));
    if (content.kind === 'bytes') assert.deepEqual(new Uint8Array(read.bytes(type) ?? []), content.value);
    else if (content.kind === 'nest') check(read.nested(type), content.value);
    else if (content.kind === 'u16') assert.equal(read.bytes(type)?.readUInt16LE(), content.value);
    else assert.equal(read[content.kind](type), content.value);
  }
}

function isRefused(error: unknown): true {
  assert.ok(error instanceof KernelError);
  assert.equal(error.code, 'EBADMSG');
  return true;
}

test('what a batch writes is read back, numbered from the given base', () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), fc.nat(0xffff_ffff), (wanted, base) => {
      const batch = new MessageBatch();
      for (const { type, acknowledged, header, attributes } of wanted) {
        write(batch.begin(type, acknowledged ? NLM_F_ACK : 0).raw(header), attributes);
        batch.end();
      }
      const read = parseMessages(batch.finish(base));
      assert.equal(read.length, wanted.length);
      assert.equal(batch.acknowledged.length, wanted.filter(({ acknowledged }) => acknowledged).length);
      for (const [i, { type, flags, sequence, payload }] of read.entries()) {
        const sent = wanted[i];
        assert.ok(sent);
        assert.equal(type, sent.type);
        assert.equal(flags & NLM_F_REQUEST, NLM_F_REQUEST);
        assert.equal(sequence, (base + i) % 2 ** 32);
        check(Attributes.parse(payload, 4), sent.attributes);
      }
    }),
  );
});

test('random bytes are read or refused with EBADMSG, never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        for (const found of parseMessages(Buffer.from(bytes))) {
          if (found.type === NLMSG_ERROR) parseAcknowledgement(found);
          Attributes.parse(fixedHeader(found, 4), 4).nested(1).u32(2);
        }
      } catch (error) {
        isRefused(error);
      }
    }),
  );
});

test('a message with some bytes changed is read or refused with EBADMSG, never anything else', () => {
  const change = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(attributeList, fc.array(change, { minLength: 1, maxLength: 4 }), (attributes, changes) => {
      const batch = new MessageBatch().begin(NLMSG_ERROR, NLM_F_ACK_TLVS).raw(new Uint8Array(20));
      write(batch, attributes);
      const bytes = batch.end().finish(1);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      try {
        for (const found of parseMessages(bytes)) parseAcknowledgement(found);
      } catch (error) {
        isRefused(error);
      }
    }),
  );
});

test('a message cut anywhere is refused', () => {
  const batch = new MessageBatch().begin(16, 0).text(3, 'eth0').end();
  const whole = batch.finish(1);
  for (let size = 1; size < whole.length; size++) {
    assert.throws(() => parseMessages(whole.subarray(0, size)), isRefused);
  }
});

test('an attribute that is longer than its message, or shorter than its number, is refused', () => {
  assert.throws(() => Attributes.parse(Buffer.from([9, 0, 1, 0, 0, 0, 0, 0]), 0), isRefused);
  assert.throws(() => Attributes.parse(Buffer.from([3, 0, 1, 0]), 0), isRefused);
  assert.throws(() => Attributes.parse(Buffer.alloc(2), 4), isRefused);
  assert.throws(() => Attributes.parse(Buffer.from([6, 0, 1, 0, 0, 0, 0, 0]), 0).u32(1), isRefused);
});

test('an attribute that does not fit is an error of ours, before anything is sent', () => {
  const batch = new MessageBatch().begin(16, 0);
  assert.throws(() => batch.bytes(1, new Uint8Array(65_532)), RangeError);
  const large = new Uint8Array(40_000);
  assert.throws(() => batch.nest(1, (inner) => inner.bytes(2, large).bytes(3, large)), RangeError);
});

/** An NLMSG_ERROR as af_netlink.c builds it (netlink_ack). */
function acknowledgement(errno: number, flags: number, answered: Buffer, sentence: string): Buffer {
  const code = Buffer.alloc(4);
  code.writeInt32LE(-errno);
  const batch = new MessageBatch().begin(NLMSG_ERROR, flags).raw(Buffer.concat([code, answered]));
  return batch.text(1, sentence).end().finish(7);
}

test("the kernel's sentence is found behind a header alone, and behind a whole message", () => {
  const request = Buffer.from(new MessageBatch().begin(16, 0).text(3, 'a name').end().finish(7));
  for (const [flags, answered] of [
    [NLM_F_ACK_TLVS, request],
    [NLM_F_ACK_TLVS | NLM_F_CAPPED, request.subarray(0, 16)],
  ] as const) {
    const [read] = parseMessages(acknowledgement(101, flags, answered, 'Nexthop has invalid gateway'));
    assert.ok(read);
    assert.deepEqual(parseAcknowledgement(read), { errno: 101, sentence: 'Nexthop has invalid gateway' });
  }
});

test('an acknowledgement without attributes has no sentence', () => {
  const [read] = parseMessages(acknowledgement(0, NLM_F_CAPPED, Buffer.alloc(16), 'not looked at'));
  assert.ok(read);
  assert.deepEqual(parseAcknowledgement(read), { errno: 0, sentence: '' });
});
