import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { familiarReference, formatReference, parseReference, parseTag, withDefaultTag } from './reference.ts';

const DIGEST = `sha256:${'ab'.repeat(32)}`;

test('short names are completed, and shown short again', () => {
  const cases: readonly (readonly [given: string, full: string, shown: string])[] = [
    ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['docker.io/library/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['index.docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['team/app', 'docker.io/team/app:latest', 'team/app:latest'],
    ['localhost/app', 'localhost/app:latest', 'localhost/app:latest'],
    ['localhost:5000/app:x', 'localhost:5000/app:x', 'localhost:5000/app:x'],
    ['ghcr.io/a/b/c', 'ghcr.io/a/b/c:latest', 'ghcr.io/a/b/c:latest'],
    ['HOST/app', 'HOST/app:latest', 'HOST/app:latest'],
    ['docker.io/library/a/b', 'docker.io/library/a/b:latest', 'docker.io/library/a/b:latest'],
    ['docker.io/host.example/a', 'docker.io/host.example/a:latest', 'docker.io/host.example/a:latest'],
    [`busybox@${DIGEST}`, `docker.io/library/busybox@${DIGEST}`, `busybox@${DIGEST}`],
    [`busybox:1@${DIGEST}`, `docker.io/library/busybox:1@${DIGEST}`, `busybox:1@${DIGEST}`],
  ];
  for (const [given, full, shown] of cases) {
    const reference = withDefaultTag(parseReference(given));
    assert.equal(formatReference(reference), full, given);
    assert.equal(familiarReference(reference), shown, given);
  }
});

test('malformed names are refused in Docker’s words', () => {
  const cases: readonly (readonly [given: string, message: string])[] = [
    ['', 'invalid reference format'],
    ['a:', 'invalid reference format'],
    ['a b', 'invalid reference format'],
    ['-a', 'invalid reference format'],
    ['a/', 'invalid reference format'],
    ['a//b', 'invalid reference format'],
    [`a:${'t'.repeat(129)}`, 'invalid reference format'],
    ['a@sha256:12', 'invalid reference format'],
    ['BusyBox', 'invalid reference format: repository name (library/BusyBox) must be lowercase'],
    ['host.example/App:v1', 'invalid reference format: repository name (App) must be lowercase'],
    ['a'.repeat(240), 'repository name must not be more than 255 characters'],
    ['f'.repeat(64), `invalid repository name (${'f'.repeat(64)}), cannot specify 64-byte hexadecimal strings`],
  ];
  for (const [given, message] of cases) {
    assert.throws(() => parseReference(given), { kind: 'invalidArgument', message }, given);
  }
});

test('tags are given apart from the name, or in it', () => {
  assert.equal(formatReference(parseTag('app', '')), 'docker.io/library/app:latest');
  assert.equal(formatReference(parseTag('app:1', '')), 'docker.io/library/app:1');
  assert.equal(formatReference(parseTag('app', '2')), 'docker.io/library/app:2');
  assert.equal(formatReference(parseTag('docker.io/library/app', '2')), 'docker.io/library/app:2');
  assert.throws(() => parseTag(`app@${DIGEST}`, ''), { message: 'refusing to create a tag with a digest reference' });
  assert.throws(() => parseTag('app', 'a b'), { message: 'invalid reference format' });
  assert.throws(() => parseTag('sha256', 'abc'), /ambiguous tag using digest algorithm as name/);
});

test('whatever parses is the same when it is read again, in either form', () => {
  const component = fc.stringMatching(/^[a-z0-9]+([._-][a-z0-9]+)?$/).filter((text) => text.length < 60);
  const domain = fc.constantFrom('', 'localhost/', 'r.example/', 'r.example:5000/', 'docker.io/', 'docker.io/library/');
  const tag = fc.option(fc.stringMatching(/^\w[\w.-]{0,20}$/));
  fc.assert(
    fc.property(domain, fc.array(component, { minLength: 1, maxLength: 3 }), tag, (host, path, name) => {
      const text = `${host}${path.join('/')}${name === null ? '' : `:${name}`}`;
      if (/^[0-9a-f]{64}$/.test(text)) return;
      const reference = parseReference(text);
      assert.deepEqual(parseReference(formatReference(reference)), reference);
      assert.deepEqual(parseReference(familiarReference(reference)), reference);
    }),
  );
});
