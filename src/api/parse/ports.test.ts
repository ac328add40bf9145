import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseExposedPorts, parsePortBindings } from './ports.ts';

const side = (HostPort: string, HostIp = '') => [{ HostIp, HostPort }];

describe('port bindings', () => {
  const CASES: readonly (readonly [string, unknown, object[]])[] = [
    ['80/tcp', side('8080'), [{ protocol: 'tcp', containerPort: 80, hostPorts: { first: 8080, last: 8080 } }]],
    ['80', side(''), [{ protocol: 'tcp', containerPort: 80 }]],
    ['36412/sctp', side(''), [{ protocol: 'sctp', containerPort: 36412 }]],
    ['53/UDP', side('0'), [{ protocol: 'udp', containerPort: 53 }]],
    ['80/tcp', side('1-9/tcp'), [{ protocol: 'tcp', containerPort: 80, hostPorts: { first: 1, last: 9 } }]],
    ['80/tcp', side('', '127.0.0.1'), [{ protocol: 'tcp', containerPort: 80, hostAddress: '127.0.0.1' }]],
    ['80/tcp', null, [{ protocol: 'tcp', containerPort: 80 }]],
    ['80/tcp', [], [{ protocol: 'tcp', containerPort: 80 }]],
    [
      '80/tcp',
      [{ HostPort: '1' }, {}],
      [
        { protocol: 'tcp', containerPort: 80, hostPorts: { first: 1, last: 1 } },
        { protocol: 'tcp', containerPort: 80 },
      ],
    ],
  ];
  for (const [key, value, wanted] of CASES) {
    test(`${key} ${JSON.stringify(value)}`, () => assert.deepEqual(parsePortBindings([[key, value]]), wanted));
  }

  const REFUSED: readonly (readonly [string, unknown, string | RegExp])[] = [
    ['http/tcp', side('1'), 'invalid port specification: "http/tcp"'],
    ['70000/tcp', side('1'), 'invalid port specification: "70000/tcp"'],
    ['0/tcp', side('1'), 'invalid port specification: "0/tcp"'],
    ['80/icmp', side('1'), 'invalid proto: icmp'],
    ['80/tcp', side('65536'), 'invalid port specification: "65536"'],
    ['80/tcp', side('9-1'), 'invalid port specification: "9-1"'],
    ['80/tcp', side('1-2-3'), 'invalid port specification: "1-2-3"'],
    ['80/tcp', side('', 'nowhere'), 'invalid IP address: nowhere'],
    ['80/tcp', 'x', 'invalid port specification: "80/tcp"'],
    ['80/tcp', [{ Extra: 1 }], /^option HostConfig\.PortBindings\.80\/tcp\.Extra is not supported/],
  ];
  for (const [key, value, words] of REFUSED) {
    test(`${key} ${JSON.stringify(value)} is refused`, () =>
      assert.throws(() => parsePortBindings([[key, value]]), { kind: 'invalidArgument', message: words }));
  }
});

test('exposed ports get their protocol', () => {
  assert.deepEqual(
    parseExposedPorts([
      ['80', {}],
      ['9/sctp', {}],
    ]),
    ['80/tcp', '9/sctp'],
  );
});
