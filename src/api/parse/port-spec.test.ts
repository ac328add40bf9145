import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseIpAddress } from '../../model/address.ts';
import { parsePortSpec } from './port-spec.ts';

const port = fc.integer({ min: 1, max: 65_535 });
/** A range of up to 20 ports, as text and as numbers. */
const range = fc
  .tuple(fc.integer({ min: 1, max: 65_500 }), fc.integer({ min: 1, max: 20 }))
  .map(([first, count]) => ({ first, last: first + count - 1 }));
const textOf = ({ first, last }: { first: number; last: number }) => (first === last ? `${first}` : `${first}-${last}`);
const address = fc.oneof(
  fc.ipV4().map((text) => ({ text, written: text })),
  fc.ipV6().map((text) => ({ text, written: `[${text}]` })),
  fc.ipV6().map((text) => ({ text, written: text })),
);
const protocol = fc.constantFrom(undefined, 'tcp', 'udp', 'TCP', 'Udp', 'sctp', 'SCTP');

describe('-p', () => {
  test('property: every sentence of the grammar means what it says', () => {
    fc.assert(
      fc.property(
        fc.option(address, { nil: undefined }),
        fc.option(range, { nil: undefined }),
        range,
        protocol,
        (at, host, inside, proto) => {
          const count = inside.last - inside.first + 1;
          // Equally long ranges, or a choice of several for one port.
          const outside =
            host === undefined || count === 1 ? host : { first: host.first, last: host.first + count - 1 };
          fc.pre(outside === undefined || outside.last <= 65_535);
          const front =
            at === undefined
              ? outside === undefined
                ? ''
                : `${textOf(outside)}:`
              : `${at.written}:${outside === undefined ? '' : textOf(outside)}:`;
          const bindings = parsePortSpec(`${front}${textOf(inside)}${proto === undefined ? '' : `/${proto}`}`);
          assert.deepEqual(
            bindings,
            Array.from({ length: count }, (_, i) => ({
              protocol: (proto ?? 'tcp').toLowerCase(),
              containerPort: inside.first + i,
              ...(at === undefined ? {} : { hostAddress: parseIpAddress(at.text) }),
              ...(outside === undefined
                ? {}
                : { hostPorts: count === 1 ? outside : { first: outside.first + i, last: outside.first + i } }),
            })),
          );
        },
      ),
    );
  });

  test('property: anything else is refused and never something else thrown', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          for (const { containerPort } of parsePortSpec(text)) assert.ok(containerPort > 0 && containerPort < 65_536);
        } catch (error) {
          assert.equal((error as { kind?: string }).kind, 'invalidArgument', String(error));
        }
      }),
    );
    fc.assert(
      fc.property(port, fc.integer({ min: 65_536 }), (inside, beyond) => {
        assert.throws(() => parsePortSpec(`${beyond}:${inside}`), { message: `invalid hostPort: ${beyond}` });
        assert.throws(() => parsePortSpec(`${beyond}`), { message: `invalid containerPort: ${beyond}` });
      }),
    );
  });

  const REFUSED = [
    ['', 'no port specified: <empty>'],
    ['8080:', 'no port specified: 8080:<empty>'],
    ['x', 'invalid containerPort: x'],
    ['x:80', 'invalid hostPort: x'],
    ['80/icmp', 'invalid proto: icmp'],
    ['localhost:8080:80', 'invalid IP address: localhost'],
    ['8000-8001:80-82', 'invalid ranges specified for container and host Ports: 80-82 and 8000-8001'],
  ] as const;
  for (const [text, message] of REFUSED) {
    test(`"${text}" is refused in Docker’s words`, () => {
      assert.throws(() => parsePortSpec(text), { kind: 'invalidArgument', message });
    });
  }
});
