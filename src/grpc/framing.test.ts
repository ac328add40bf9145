import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Deframer, frame } from './framing.ts';

test('messages come out whole, however they were cut', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)));
  fc.assert(
    fc.property(messages, fc.integer({ min: 1, max: 50 }), (sent, size) => {
      const wire = Buffer.concat(sent.map((message) => frame([message])));
      const deframer = new Deframer();
      const received: Buffer[] = [];
      for (let at = 0; at < wire.length; at += size) received.push(...deframer.push(wire.subarray(at, at + size)));
      assert.deepEqual(received, sent);
    }),
  );
});

test('compressed and oversized messages are refused', () => {
  assert.throws(() => new Deframer().push(Buffer.from('0100000000', 'hex')), RangeError);
  assert.throws(() => new Deframer().push(Buffer.from('00ffffffff', 'hex')), RangeError);
});
