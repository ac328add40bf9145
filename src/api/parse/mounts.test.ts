import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Fields } from './fields.ts';
import { parseMounts } from './mounts.ts';

const bind = (text: string) => parseMounts([text], [])[0];
const mount = (fields: object) => parseMounts([], [new Fields(fields, 'HostConfig.Mounts')])[0];

describe('binds', () => {
  const base = { source: '/a', destination: '/b', readOnly: false, propagation: 'rprivate', createSource: true };
  const CASES: readonly (readonly [string, object])[] = [
    ['/a:/b', base],
    ['/a/:/b/', base],
    ['/a:/b:ro', { ...base, readOnly: true }],
    ['/a:/b:ro,z,rshared', { ...base, readOnly: true, propagation: 'rshared' }],
    ['/a:/b:rw,cached', base],
  ];
  for (const [text, wanted] of CASES) test(text, () => assert.deepEqual(bind(text), wanted));

  const REFUSED: readonly (readonly [string, string | RegExp])[] = [
    [':/b', "invalid volume specification: ':/b'"],
    ['/a:/b:ro:more', "invalid volume specification: '/a:/b:ro:more'"],
    ['/a:ro', "invalid volume specification: '/a:ro'"],
    ['/a', /^an anonymous volume is not supported/],
    [
      '/a:b',
      `invalid volume specification: '/a:b': invalid mount config for type "bind": invalid mount path: 'b' mount path must be absolute`,
    ],
    ['/a:/', /destination can't be '\/'$/],
    ['/a:/b:up', 'invalid mode: up'],
    ['/a:/b:ro,rw', 'invalid mode: ro,rw'],
    ['/a:/b:shared,slave', 'invalid mode: shared,slave'],
    ['data:/b', /^named volumes are not supported by Fairway yet: "data"/],
    ['./data:/b', /^create \.\/data: "\.\/data" includes invalid characters for a local volume name/],
  ];
  for (const [text, words] of REFUSED) {
    test(`${text} is refused`, () => assert.throws(() => bind(text), { kind: 'invalidArgument', message: words }));
  }

  test('one place twice is refused', () => {
    assert.throws(() => parseMounts(['/a:/b', '/c:/b/'], []), { message: 'Duplicate mount point: /b' });
  });
});

describe('mounts', () => {
  test('a bind mount expects its source to be there', () => {
    const wanted = { source: '/a', destination: '/b', readOnly: true, propagation: 'rslave', createSource: false };
    const options = { Propagation: 'rslave' };
    assert.deepEqual(
      mount({ Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true, BindOptions: options, Consistency: 'cached' }),
      wanted,
    );
  });

  const REFUSED: readonly (readonly [object, string | RegExp])[] = [
    [{ Type: 'volume', Source: 'v', Target: '/b' }, /^named volumes are not supported/],
    [{ Type: 'tmpfs', Target: '/b' }, /^a mount of type tmpfs is not supported/],
    [{ Type: 'x' }, 'invalid mount config for type "x": mount type unknown'],
    [{ Type: 'bind', Source: '/a' }, 'invalid mount config for type "bind": field Target must not be empty'],
    [{ Type: 'bind', Target: '/a' }, 'invalid mount config for type "bind": field Source must not be empty'],
    [{ Type: 'bind', Source: 'a', Target: '/b' }, /invalid mount path: 'a' mount path must be absolute$/],
    [{ Type: 'bind', Source: '/a', Target: '/b', BindOptions: { Propagation: 'x' } }, /invalid propagation mode: x$/],
    [
      { Type: 'bind', Source: '/a', Target: '/b', BindOptions: { NonRecursive: true } },
      /NonRecursive is not supported/,
    ],
    [{ Type: 'bind', Source: '/a', Target: '/b', Consistency: 'odd' }, /Consistency is not supported/],
  ];
  for (const [fields, words] of REFUSED) {
    test(`${JSON.stringify(fields)} is refused`, () =>
      assert.throws(() => mount(fields), { kind: 'invalidArgument', message: words }));
  }
});
