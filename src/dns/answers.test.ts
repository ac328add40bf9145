import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeQuery } from '../../test/dns/reference.ts';
import { addressFromBytes, type IpAddress, parseIpAddress } from '../model/address.ts';
import { answerLocally, reverseAddress } from './answers.ts';
import { parseQuery } from './message.ts';
import type { NameSource } from './names.ts';
import { outsideOf } from './outside.ts';

const SANDBOX = 'sandbox:a';
const WEB = parseIpAddress('10.0.0.2');
const WEB_IPV6 = parseIpAddress('fd00::2');
const SECOND = parseIpAddress('10.0.0.3');
const EMPTY = { kind: 'empty', rcode: 0 };
const [A, PTR, MX, AAAA, HTTPS, ANY] = [1, 12, 15, 28, 65, 255];

const outside = (ndotsSet: boolean) => outsideOf(SANDBOX, { upstreams: [], forwards: true, ndotsSet, search: [] });

function names(more: Partial<NameSource> = {}): NameSource {
  const known = new Map<string, IpAddress[]>(
    Object.entries({ web: [WEB], dual: [WEB, WEB_IPV6], several: [WEB, SECOND], idle: [] }),
  );
  return {
    lookup: (namespace, name) => (namespace === SANDBOX ? known.get(name) : undefined),
    services: (_, name, { port }) =>
      name === 'web' && port === 80 ? [{ name: 'web.app', port, addresses: [WEB] }] : [],
    reverse: (_, address) => (address === WEB ? 'web.app' : undefined),
    outside: () => outside(false),
    ...more,
  };
}

function ask(name: string, type: number | undefined, source = names(), more: { class?: number } = {}) {
  const query = parseQuery(encodeQuery({ labels: name.split('.'), type: type ?? 1, ...more }));
  assert.ok(query?.kind === 'query');
  return answerLocally({ names: source, servicePorts: new Map([['http/tcp', 80]]) }, SANDBOX, query);
}

test('a known name has its addresses of the family asked for, whatever the case of its letters', () => {
  assert.deepEqual(ask('WeB', A), { kind: 'addresses', addresses: [WEB] });
  assert.deepEqual(ask('dual', A), { kind: 'addresses', addresses: [WEB] });
  assert.deepEqual(ask('dual', AAAA), { kind: 'addresses', addresses: [WEB_IPV6] });
});

test('what a known name lacks is answered empty, never asked elsewhere', () => {
  for (const type of [AAAA, MX, HTTPS, PTR]) assert.deepEqual(ask('web', type), EMPTY);
  assert.deepEqual(ask('idle', A), EMPTY);
});

test('an unknown name, another class and a foreign sandbox are for others', () => {
  assert.equal(ask('example.com', A), undefined);
  assert.equal(ask('web', A, names(), { class: 3 }), undefined);
  assert.equal(ask('web', A, names({ lookup: () => undefined })), undefined);
});

test('an address leads to its name and network', () => {
  assert.deepEqual(ask('2.0.0.10.IN-ADDR.arpa', PTR), { kind: 'name', name: 'web.app' });
  assert.equal(ask('9.0.0.10.in-addr.arpa', PTR), undefined);
  assert.equal(ask('_http._tcp.example', PTR), undefined);
});

test('any address survives its way into a reverse name and back', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (v4, v6) => {
        const nibbles = [...Buffer.from(v6).toString('hex')].reverse().join('.');
        assert.equal(reverseAddress(`${[...v4].reverse().join('.')}.in-addr.arpa`), addressFromBytes(v4));
        assert.equal(reverseAddress(`${nibbles}.ip6.arpa`), addressFromBytes(v6));
      },
    ),
  );
  for (const wrong of [
    '1.2.3.in-addr.arpa',
    '1.2.3.256.in-addr.arpa',
    '01.2.3.4.in-addr.arpa',
    'in-addr.arpa',
    '1.ip6.arpa',
  ]) {
    assert.equal(reverseAddress(wrong), undefined, wrong);
  }
});

test('a service of ours is found by number and by its well-known name; what nobody offers is empty', () => {
  const SRV = 33;
  const services = [{ name: 'web.app', port: 80, addresses: [WEB] }];
  assert.deepEqual(ask('_80._tcp.web', SRV), { kind: 'services', services });
  assert.deepEqual(ask('_HTTP._tcp.web', SRV), { kind: 'services', services });
  for (const name of ['_81._tcp.web', '_nonsense._tcp.web', 'web']) assert.deepEqual(ask(name, SRV), EMPTY, name);
  assert.equal(ask('_80._tcp.example', SRV), undefined);
  assert.equal(ask('_80.web', SRV), undefined);
});

test('each of several addresses comes first at times, and none is lost', () => {
  const firsts = new Set<string | undefined>();
  for (let round = 0; round < 200; round++) {
    const answer = ask('several', A);
    assert.ok(answer?.kind === 'addresses');
    assert.deepEqual([...answer.addresses].sort(), [WEB, SECOND]);
    firsts.add(answer.addresses[0]);
  }
  assert.equal(firsts.size, 2);
});

test('where ndots was set, an unknown single label is empty, so that the client goes on with its search list', () => {
  const source = names({ outside: () => outside(true) });
  assert.deepEqual(ask('printer', A, source), EMPTY);
  assert.deepEqual(ask('printer', AAAA, source), EMPTY);
  assert.equal(ask('printer', MX, source), undefined);
  assert.equal(ask('printer.lan', A, source), undefined);
  assert.equal(ask('printer', A), undefined);
  assert.deepEqual(ask('dual', ANY)?.kind, 'addresses');
});
