import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANONYMOUS } from '../../model/registry.ts';
import { parseAuthConfig, parseRegistryAuth } from './registry-auth.ts';

const header = (value: unknown, encoding: 'base64' | 'base64url' = 'base64url') => ({
  'x-registry-auth': Buffer.from(JSON.stringify(value)).toString(encoding),
});

test('nothing, {} and null are nobody', () => {
  for (const headers of [
    {},
    { 'x-registry-auth': '' },
    { 'x-registry-auth': 'e30=' },
    { 'x-registry-auth': 'bnVsbA==' },
  ]) {
    assert.deepEqual(parseRegistryAuth(headers), ANONYMOUS);
  }
});

test('both alphabets of base64 are read', () => {
  const auth = { username: 'ü>?', password: 'ÿÿ~', serveraddress: 'host:5000' };
  const wanted = { ...ANONYMOUS, username: 'ü>?', password: 'ÿÿ~' };
  assert.deepEqual(parseRegistryAuth(header(auth)), wanted);
  assert.deepEqual(parseRegistryAuth(header(auth, 'base64')), wanted);
});

test('"auth" holds user and password; tokens have keys of their own', () => {
  const auth = Buffer.from('me:pass:word').toString('base64');
  assert.deepEqual(parseAuthConfig({ auth }), { ...ANONYMOUS, username: 'me', password: 'pass:word' });
  assert.deepEqual(parseAuthConfig({ identitytoken: 'i', registrytoken: 'r' }), {
    ...ANONYMOUS,
    identityToken: 'i',
    registryToken: 'r',
  });
});

test('what cannot be meant is refused', () => {
  assert.throws(() => parseRegistryAuth({ 'x-registry-auth': '{"a"}' }), /invalid X-Registry-Auth header/);
  assert.throws(() => parseRegistryAuth({ 'x-registry-auth': 'bm9uc2Vuc2U' }), /invalid X-Registry-Auth header/);
  assert.throws(() => parseAuthConfig([]), /must be an object/);
  assert.throws(() => parseAuthConfig({ username: 5 }), /username must be a string/);
  assert.throws(() => parseAuthConfig({ registrytoken: 'a\r\nb' }), /must be printable/);
});
