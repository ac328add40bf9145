import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIpAddress } from '../model/address.ts';
import {
  addHosts,
  findHosts,
  ownRecord,
  parseExtraHosts,
  removeHosts,
  renderHostname,
  renderHosts,
  replaceHosts,
} from './hosts.ts';

const OWN = parseIpAddress('172.18.0.2');
const OWN_IPV6 = parseIpAddress('fd00::2');
const GATEWAYS = ['172.17.0.1', 'fd00::1'].map(parseIpAddress);

test("the file has Docker's order: localhost, added hosts, the container's own lines", () => {
  const extra = parseExtraHosts(['db:10.0.0.9', 'host.docker.internal:host-gateway', 'six=[2001:db8::1]'], GATEWAYS);
  const own = [ownRecord(OWN, 'web', 'example.com'), ownRecord(OWN_IPV6, 'web', 'example.com')];
  assert.equal(
    renderHosts({ extra, own, ipv6: true }),
    [
      '127.0.0.1\tlocalhost',
      '::1\tlocalhost ip6-localhost ip6-loopback',
      'fe00::\tip6-localnet',
      'ff00::\tip6-mcastprefix',
      'ff02::1\tip6-allnodes',
      'ff02::2\tip6-allrouters',
      '10.0.0.9\tdb',
      '172.17.0.1\thost.docker.internal',
      'fd00::1\thost.docker.internal',
      '2001:db8::1\tsix',
      '172.18.0.2\tweb.example.com web',
      'fd00::2\tweb.example.com web',
      '',
    ].join('\n'),
  );
});

test('without IPv6 in the sandbox no line speaks of it', () => {
  const own = [ownRecord(OWN, 'web', ''), ownRecord(OWN_IPV6, 'web', '')];
  assert.equal(renderHosts({ extra: [], own, ipv6: false }), '127.0.0.1\tlocalhost\n172.18.0.2\tweb\n');
});

test('lines come and go with networks, and what a user wrote stays', () => {
  const first = ownRecord(OWN, 'web.example.com', '');
  const second = ownRecord(parseIpAddress('172.19.0.2'), 'web.example.com', '');
  const file = `${renderHosts({ extra: [], own: [first], ipv6: false })}# mine\n10.9.9.9 own`;
  const connected = addHosts(`${file}\n`, [second]);
  assert.ok(connected.endsWith('172.19.0.2\tweb.example.com web\n'));
  assert.equal(removeHosts(connected, [second]), `${file}\n`);
  assert.equal(removeHosts(file, [first]), '127.0.0.1\tlocalhost\n# mine\n10.9.9.9 own');
  assert.equal(removeHosts(file, [second]), file);
  assert.deepEqual(
    findHosts(`${connected}# 10.0.0.1\tweb.example.com web\n10.0.0.2 web.example.com web\n`, first.names),
    [first, second],
  );
});

test('a host to add needs a name and an address', () => {
  for (const [text, message] of [
    ['nocolon', 'bad format for add-host: "nocolon"'],
    [':1.2.3.4', 'bad format for add-host: ":1.2.3.4"'],
    ['db:10.0.0', 'invalid IP address in add-host: "10.0.0"'],
  ] as const) {
    assert.throws(() => parseExtraHosts([text], GATEWAYS), { kind: 'invalidArgument', message });
  }
  assert.throws(() => parseExtraHosts(['x:host-gateway'], []), {
    message: 'unable to derive the IP value for host-gateway',
  });
  assert.deepEqual(parseExtraHosts(['six:2001:db8::1'], []), [{ address: '2001:db8::1', names: 'six' }]);
});

test('the hostname file holds the name alone', () => {
  assert.equal(renderHostname('web'), 'web\n');
});

test('a link’s line is replaced by its first name, whatever else it holds', () => {
  const file = '127.0.0.1\tlocalhost\n172.17.0.2\tdb 1a2b3c store\n172.17.0.3\tdatabase db\n';
  const record = { address: parseIpAddress('172.17.0.9'), names: 'db 1a2b3c renamed' };
  assert.equal(
    replaceHosts(file, 'db', [record]),
    '127.0.0.1\tlocalhost\n172.17.0.3\tdatabase db\n172.17.0.9\tdb 1a2b3c renamed\n',
  );
  assert.equal(replaceHosts(file, 'db', []), '127.0.0.1\tlocalhost\n172.17.0.3\tdatabase db\n');
});
