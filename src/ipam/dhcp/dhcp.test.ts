import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addressBytes,
  addressFromBytes,
  type IpAddress,
  parseIpAddress as ip,
  macFromBytes,
  parseMacAddress,
} from '../../model/address.ts';
import { DhcpClient, type Step } from './client.ts';
import { checksum, readFrame, writeFrame } from './frame.ts';
import { type DhcpMessage, decode, encode, MESSAGE, OPTION } from './message.ts';
import { claims, writeProbe } from './probe.ts';

const address = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(addressFromBytes);
const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map(macFromBytes);
const optionCode = fc.integer({ min: 1, max: 254 }).filter((code) => code !== OPTION.overload);
const message: fc.Arbitrary<DhcpMessage> = fc.record(
  {
    op: fc.constantFrom<1 | 2>(1, 2),
    xid: fc.nat(0xffffffff),
    seconds: fc.nat(0xffff),
    broadcast: fc.boolean(),
    client: address,
    yours: address,
    mac,
    options: fc
      .uniqueArray(fc.tuple(optionCode, fc.uint8Array({ maxLength: 600 })), {
        selector: ([code]) => code,
        maxLength: 8,
      })
      .map((entries) => new Map(entries)),
  },
  { noNullPrototype: true },
);

test('property: what is encoded is decoded to the same, long options too', () => {
  fc.assert(fc.property(message, (sent) => assert.deepEqual(decode(encode(sent)), sent)));
});

test('property: nothing a server sends breaks the reader', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 700 }), (bytes) => void decode(bytes)));
  const cut = fc.tuple(message, fc.nat(600), fc.nat(299), fc.nat(255));
  fc.assert(
    fc.property(cut, ([sent, length, place, value]) => {
      const bytes = encode(sent).subarray(0, length);
      bytes[place] = value;
      decode(bytes);
    }),
  );
});

test('options go on in the fields of the boot file and its server, when option 52 says so', () => {
  const plain = encode(messageOf(MESSAGE.ack, 7, { [OPTION.overload]: Uint8Array.of(3) }));
  plain.set([OPTION.hostName, 4, 10, 0, 0, 1, 255], 108);
  plain.set([OPTION.dns, 4, 10, 0, 0, 2, 255], 44);
  const options = decode(plain)?.options;
  assert.deepEqual(options?.get(OPTION.hostName), Uint8Array.of(10, 0, 0, 1));
  assert.deepEqual(options?.get(OPTION.dns), Uint8Array.of(10, 0, 0, 2));
});

const port = fc.nat(0xffff);
const frame = fc.record(
  {
    fromMac: mac,
    toMac: mac,
    from: address,
    to: address,
    fromPort: port,
    toPort: port,
    payload: fc.uint8Array({ maxLength: 400 }),
  },
  { noNullPrototype: true },
);

test('property: a frame is read as it was written, with both checksums right; nothing breaks the reader', () => {
  fc.assert(
    fc.property(frame, (sent) => {
      const bytes = writeFrame(sent);
      assert.deepEqual(readFrame(bytes), sent);
      assert.equal(checksum(bytes.subarray(14, 34)), 0);
      const pseudo = Buffer.concat([bytes.subarray(26, 34), Buffer.of(0, 17, 0, 0), bytes.subarray(34)]);
      pseudo.writeUInt16BE(bytes.length - 34, 10);
      assert.equal(checksum(pseudo), 0);
    }),
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => void readFrame(Buffer.from(bytes))));
});

const OWN = parseMacAddress('02:00:00:00:00:01');
const SERVER = parseMacAddress('02:00:00:00:00:fe');
const GIVEN = ip('192.0.2.50');

function messageOf(type: number, xid: number, more: Readonly<Record<number, Uint8Array>> = {}): DhcpMessage {
  const options = new Map<number, Uint8Array>([
    [OPTION.messageType, Uint8Array.of(type)],
    [OPTION.server, addressBytes(ip('192.0.2.1'))],
    [OPTION.subnetMask, Uint8Array.of(255, 255, 255, 0)],
    [OPTION.router, addressBytes(ip('192.0.2.1'))],
    [OPTION.leaseTime, Uint8Array.of(0, 0, 0, 120)],
    ...Object.entries(more).map(([code, value]) => [Number(code), value] as const),
  ]);
  return { op: 2, xid, seconds: 0, broadcast: false, client: ip('0.0.0.0'), yours: GIVEN, mac: OWN, options };
}

/** A client and a conversation with it. */
class Talk {
  readonly client = new DhcpClient({ mac: OWN, clientId: Uint8Array.of(1, 2), hostName: 'web' }, () => 0.5);
  step: Step;

  constructor(begin: (client: DhcpClient) => Step = (client) => client.start(0)) {
    this.step = begin(this.client);
  }

  answer(type: number, now: number, more: Readonly<Record<number, Uint8Array>> = {}): Step {
    const step = this.client.receive(messageOf(type, this.xid, more), SERVER, now);
    assert.ok(step !== undefined);
    this.step = step;
    return step;
  }

  later(now: number): Step {
    this.step = this.client.timeout(now);
    return this.step;
  }

  /** Three questions by ARP, and no answer. */
  nobodyHasIt(now: number): Step {
    for (let probes = 0; probes < 3; probes++) {
      assert.deepEqual(this.step, { probe: GIVEN, wait: 150 });
      this.later(now);
    }
    return this.step;
  }

  get xid(): number {
    return this.step.send?.message.xid ?? 0;
  }

  get said() {
    const sent = this.step.send;
    assert.ok(sent !== undefined);
    const option = (code: number) => sent.message.options.get(code);
    const requested = option(OPTION.requestedAddress);
    return {
      type: option(OPTION.messageType)?.[0],
      from: sent.from,
      to: sent.to?.address ?? 'everybody',
      requested: requested && addressFromBytes(requested),
      hostName: Buffer.from(option(OPTION.hostName) ?? []).toString(),
    };
  }
}

function bound(now = 0): Talk {
  const talk = new Talk((client) => client.start(now));
  talk.answer(MESSAGE.offer, now);
  talk.answer(MESSAGE.ack, now);
  talk.nobodyHasIt(now);
  return talk;
}

const nobody: IpAddress = ip('0.0.0.0');

test('discover, offer, request, ack: a lease, and a rest until half of it is over', () => {
  const talk = new Talk();
  assert.deepEqual(talk.said, { type: 1, from: nobody, to: 'everybody', requested: undefined, hostName: 'web' });
  talk.answer(MESSAGE.offer, 10);
  assert.deepEqual(talk.said, { type: 3, from: nobody, to: 'everybody', requested: GIVEN, hostName: 'web' });
  talk.answer(MESSAGE.ack, 20);
  const { lease, wait, send } = talk.nobodyHasIt(20);
  assert.equal(lease?.address, '192.0.2.50/24');
  assert.equal(lease?.gateway, '192.0.2.1');
  assert.deepEqual([lease?.renewAfter, lease?.rebindAfter, lease?.endsAfter], [60, 105, 120]);
  assert.deepEqual([wait, send], [60_000, undefined]);
});

test('silence: it asks again, each time after twice as long, up to 64 s', () => {
  const talk = new Talk();
  const waits = [talk.step.wait];
  for (let i = 0; i < 8; i++) waits.push(talk.later(i).wait);
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 64_000, 64_000]);
});

test('a server that offers and then is silent is forgotten', () => {
  const talk = new Talk();
  talk.answer(MESSAGE.offer, 0);
  for (let i = 0; i < 3; i++) talk.later(i);
  assert.equal(talk.said.type, MESSAGE.request);
  talk.later(9);
  assert.equal(talk.said.type, MESSAGE.discover);
});

test('at T1 the server is asked, at T2 everybody, at the end the address is given up', () => {
  const talk = bound();
  talk.later(60_000);
  assert.deepEqual(talk.said, { type: 3, from: GIVEN, to: '192.0.2.1', requested: undefined, hostName: 'web' });
  assert.equal(talk.step.wait, 45_000);
  talk.later(105_000);
  assert.equal(talk.said.to, 'everybody');
  assert.equal(talk.said.from, GIVEN);
  const { lease } = talk.later(120_000);
  assert.equal(lease, null);
  assert.equal(talk.said.type, MESSAGE.discover);
  assert.equal(talk.said.requested, GIVEN);
});

test('a renewal counts from its answer', () => {
  const talk = bound();
  talk.later(60_000);
  const { lease, wait } = talk.answer(MESSAGE.ack, 61_000, { [OPTION.router]: addressBytes(ip('192.0.2.9')) });
  assert.equal(lease?.obtained, 61_000);
  assert.equal(lease?.gateway, '192.0.2.9');
  assert.equal(wait, 60_000);
});

test('NAK: the address is given up at once, and all begins anew', () => {
  const talk = bound();
  talk.later(60_000);
  assert.equal(talk.answer(MESSAGE.nak, 60_100).lease, null);
  assert.equal(talk.said.type, MESSAGE.discover);
  assert.equal(talk.said.requested, undefined);
});

test('a daemon that comes back goes on with its lease, or asks for the same address', () => {
  const { lease } = bound().step;
  assert.ok(lease);
  const early = new Talk((client) => client.resume(lease, 30_000));
  assert.deepEqual([early.step.send, early.step.wait], [undefined, 30_000]);
  const due = new Talk((client) => client.resume(lease, 70_000));
  assert.equal(due.said.to, '192.0.2.1');
  const late = new Talk((client) => client.resume(lease, 500_000));
  assert.equal(late.step.lease, null);
  assert.deepEqual([late.said.type, late.said.requested], [MESSAGE.request, GIVEN]);
  late.answer(MESSAGE.ack, 500_001);
  assert.equal(late.nobodyHasIt(500_001).lease?.address, '192.0.2.50/24');
});

test('an address that somebody has is declined, and another one asked for; after some, more slowly', () => {
  const talk = new Talk();
  const waits = [1, 2, 3, 4].map((now) => {
    talk.answer(MESSAGE.offer, now);
    talk.answer(MESSAGE.ack, now);
    talk.later(now);
    const step = talk.client.conflict(now);
    assert.ok(step !== undefined);
    talk.step = step;
    assert.deepEqual(talk.said, { type: 4, from: nobody, to: 'everybody', requested: GIVEN, hostName: '' });
    assert.equal(talk.client.conflict(now), undefined, 'it is no longer ours to give up');
    talk.later(now);
    assert.deepEqual([talk.said.type, talk.said.requested], [MESSAGE.discover, undefined]);
    return step.wait;
  });
  assert.deepEqual(waits, [0, 0, 0, 10_000]);
  assert.equal(bound().client.conflict(9), undefined, 'an address in use is kept');
});

test('who answers a probe or probes as well has the address; questions of others and own ones say nothing', () => {
  const probe = writeProbe(OWN, GIVEN);
  assert.equal(claims(probe, OWN, GIVEN), false);
  assert.equal(claims(probe, SERVER, GIVEN), true, 'somebody is about to take it');
  assert.equal(claims(probe, SERVER, ip('192.0.2.9')), false);
  const asking = Buffer.from(probe);
  asking.set(addressBytes(ip('192.0.2.9')), 28);
  assert.equal(claims(asking, SERVER, GIVEN), false, 'it only wants to talk to us');
  const answer = Buffer.from(asking);
  answer.set(addressBytes(GIVEN), 28);
  answer.writeUInt16BE(2, 20);
  assert.equal(claims(answer, SERVER, GIVEN), true);
  for (let length = 0; length < answer.length; length++) {
    assert.equal(claims(answer.subarray(0, length), SERVER, GIVEN), false);
  }
});

test('release names server and address; who has none has nothing to give back', () => {
  const sent = bound().client.release(5);
  assert.equal(sent?.message.options.get(OPTION.messageType)?.[0], MESSAGE.release);
  assert.deepEqual([sent?.message.client, sent?.to?.mac], [GIVEN, SERVER]);
  assert.equal(new Talk().client.release(5), undefined);
});

test('answers to others, of other kinds, or without what a lease needs, are not heard', () => {
  const talk = new Talk();
  const { client, xid } = talk;
  assert.equal(client.receive(messageOf(MESSAGE.offer, xid + 1), SERVER, 0), undefined);
  assert.equal(client.receive({ ...messageOf(MESSAGE.offer, xid), mac: SERVER }, SERVER, 0), undefined);
  assert.equal(client.receive(messageOf(MESSAGE.ack, xid), SERVER, 0), undefined);
  talk.answer(MESSAGE.offer, 0);
  const endless = messageOf(MESSAGE.ack, talk.xid, { [OPTION.leaseTime]: Uint8Array.of(0) });
  assert.equal(client.receive(endless, SERVER, 0), undefined);
});

test('property: whatever comes in whatever order, there is always a next moment, and no lease outlives its end', () => {
  const event = fc.record({
    after: fc.nat(90_000),
    type: fc.constantFrom(MESSAGE.offer, MESSAGE.ack, MESSAGE.nak, 0),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      const talk = new Talk();
      let { xid } = talk;
      let now = 0;
      let end: number | undefined;
      for (const { after, type } of events) {
        now += after;
        const due = talk.step.wait <= after;
        const step =
          due || type === 0 ? talk.client.timeout(now) : talk.client.receive(messageOf(type, xid), SERVER, now);
        if (step === undefined) continue;
        assert.ok(step.wait >= 0 && step.wait <= 0x7fffffff, `${step.wait}`);
        if (step.lease === null) end = undefined;
        else if (step.lease !== undefined) end = now + step.lease.endsAfter * 1000;
        if (due) assert.ok(end === undefined || end > now);
        xid = step.send?.message.xid ?? xid;
        talk.step = step;
      }
    }),
  );
});
