import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Fields } from './fields.ts';
import { parseMounts } from './mounts.ts';

const none = { binds: [], mounts: [], tmpfs: {} };
const bind = (text: string) => parseMounts({ ...none, binds: [text] })[0];
const mount = (fields: object) => parseMounts({ ...none, mounts: [new Fields(fields, 'HostConfig.Mounts')] })[0];

describe('binds', () => {
  const how = { propagation: '', createSource: true, recursive: true } as const;
  const place = { origin: 'binds', destination: '/b', readOnly: false, mode: '' };
  const base = { type: 'bind', source: '/a', ...place, ...how };
  const nothing = { copy: true, subpath: '', driverOptions: {}, labels: {} };
  const volume = { type: 'volume', name: 'data', anonymous: false, ...place, ...nothing };
  const CASES: readonly (readonly [string, object])[] = [
    ['/a:/b', base],
    ['/a/:/b/', base],
    ['/a:/b:ro', { ...base, readOnly: true, mode: 'ro' }],
    ['/a:/b:ro,z,rshared', { ...base, readOnly: true, propagation: 'rshared', mode: 'ro,z,rshared' }],
    ['/a:/b:rw,cached', { ...base, mode: 'rw,cached' }],
    ['data:/b', volume],
    ['data:/b:ro,nocopy', { ...volume, readOnly: true, mode: 'ro,nocopy', copy: false }],
    ['/b', { ...volume, name: '', anonymous: true }],
  ];
  for (const [text, wanted] of CASES) test(text, () => assert.deepEqual(bind(text), wanted));

  const REFUSED: readonly (readonly [string, string | RegExp])[] = [
    [':/b', "invalid volume specification: ':/b'"],
    ['/a:/b:ro:more', "invalid volume specification: '/a:/b:ro:more'"],
    ['/a:ro', "invalid volume specification: '/a:ro'"],
    ['data:/b:rslave', /field BindOptions must not be specified$/],
    ['/a:/b:nocopy', /field VolumeOptions must not be specified$/],
    ['b:/b', /volume name is too short/],
    ['b', /mount path must be absolute$/],
    [
      '/a:b',
      `invalid volume specification: '/a:b': invalid mount config for type "bind": invalid mount path: 'b' mount path must be absolute`,
    ],
    ['/a:/', /destination can't be '\/'$/],
    ['/a:/b:up', 'invalid mode: up'],
    ['/a:/b:ro,rw', 'invalid mode: ro,rw'],
    ['/a:/b:shared,slave', 'invalid mode: shared,slave'],
    ['./data:/b', /^create \.\/data: "\.\/data" includes invalid characters for a local volume name/],
  ];
  for (const [text, words] of REFUSED) {
    test(`${text} is refused`, () => assert.throws(() => bind(text), { kind: 'invalidArgument', message: words }));
  }

  test('one place twice is refused', () => {
    assert.throws(() => parseMounts({ ...none, binds: ['/a:/b', '/c:/b/'] }), { message: 'Duplicate mount point: /b' });
  });
});

describe('mounts', () => {
  test('a bind mount expects its source to be there', () => {
    const place = { type: 'bind', origin: 'mounts', mode: '', source: '/a', destination: '/b', readOnly: true };
    const wanted = { ...place, propagation: 'rslave', createSource: false, recursive: true };
    const options = { Propagation: 'rslave' };
    assert.deepEqual(
      mount({ Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true, BindOptions: options, Consistency: 'cached' }),
      wanted,
    );
  });

  const REFUSED: readonly (readonly [object, string | RegExp])[] = [
    [{ Type: 'image', Source: 'v', Target: '/b' }, /^a mount of type image is not supported/],
    [{ Type: 'volume', Source: 'vv', Target: '/b', VolumeOptions: { Subpath: '../x' } }, /subpath must be a relative/],
    [
      { Type: 'volume', Source: 'vv', Target: '/b', BindOptions: { NonRecursive: true } },
      /BindOptions is not supported/,
    ],
    [{ Type: 'volume', Target: '/b', VolumeOptions: { DriverConfig: { Name: 'nfs' } } }, /plugin "nfs" not found/],
    [{ Type: 'tmpfs', Target: '/b', Source: 'x' }, /field Source must not be specified$/],
    [{ Type: 'tmpfs', Target: '/b', TmpfsOptions: { SizeBytes: -1 } }, /size must not be negative$/],
    [{ Type: 'x' }, 'invalid mount config for type "x": mount type unknown'],
    [{ Type: 'bind', Source: '/a' }, 'invalid mount config for type "bind": field Target must not be empty'],
    [{ Type: 'bind', Target: '/a' }, 'invalid mount config for type "bind": field Source must not be empty'],
    [{ Type: 'bind', Source: 'a', Target: '/b' }, /invalid mount path: 'a' mount path must be absolute$/],
    [{ Type: 'bind', Source: '/a', Target: '/b', BindOptions: { Propagation: 'x' } }, /invalid propagation mode: x$/],
    [
      { Type: 'bind', Source: '/a', Target: '/b', BindOptions: { ReadOnlyForceRecursive: true } },
      /ReadOnlyForceRecursive must be used with ReadOnly$/,
    ],
    [{ Type: 'bind', Source: '/a', Target: '/b', Consistency: 'odd' }, /Consistency is not supported/],
  ];
  test('a volume with everything, a tmpfs with everything', () => {
    const volume = mount({
      Type: 'volume',
      Source: 'data',
      Target: '/b',
      VolumeOptions: { NoCopy: true, Labels: { a: '1' }, Subpath: 'x/y', DriverConfig: { Options: { type: 'tmpfs' } } },
    });
    const place = { origin: 'mounts', mode: '', destination: '/b', readOnly: false };
    const options = { copy: false, subpath: 'x/y', driverOptions: { type: 'tmpfs' }, labels: { a: '1' } };
    assert.deepEqual(volume, { type: 'volume', name: 'data', anonymous: false, ...place, ...options });
    const tmpfs = mount({
      Type: 'tmpfs',
      Target: '/b',
      TmpfsOptions: { SizeBytes: 5, Mode: 0o700, Options: [['exec'], ['uid', '3']] },
    });
    assert.deepEqual(tmpfs, { type: 'tmpfs', ...place, size: 5, permissions: 0o700, options: ['exec', 'uid=3'] });
  });

  for (const [fields, words] of REFUSED) {
    test(`${JSON.stringify(fields)} is refused`, () => assert.throws(() => mount(fields), { message: words }));
  }
});
