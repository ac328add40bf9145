import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWithin, proxyFor } from './proxy.ts';

const environment = { HTTP_PROXY: 'proxy.test:3128', https_proxy: 'http://secure.test:3129' };
const via = (url: string, noProxy = '') => proxyFor(new URL(url), { ...environment, NO_PROXY: noProxy });

test('each scheme has its proxy, loopback has none', () => {
  assert.equal(via('http://host.test/'), 'http://proxy.test:3128');
  assert.equal(via('https://host.test/'), 'http://secure.test:3129');
  for (const url of ['http://localhost:5000/', 'http://127.1.2.3/', 'https://[::1]/'])
    assert.equal(via(url), undefined);
});

test('NO_PROXY as Go reads it', () => {
  for (const [list, url] of [
    ['*', 'http://host.test/'],
    ['other, host.test', 'http://host.test/'],
    ['host.test', 'http://sub.host.test/'],
    ['.host.test', 'http://sub.host.test/'],
    ['*.host.test', 'http://sub.host.test/'],
    ['10.0.0.0/8', 'http://10.1.2.3/'],
    ['2001:db8::/32', 'http://[2001:db8::5]/'],
    ['2001:db8::5', 'http://[2001:db8::5]/'],
    ['host.test:5000', 'http://host.test:5000/'],
    ['host.test:443', 'https://host.test/'],
  ] as const) {
    assert.equal(via(url, list), undefined, `${list} for ${url}`);
  }
  for (const [list, url] of [
    ['.host.test', 'http://host.test/'],
    ['ost.test', 'http://host.test/'],
    ['host.test:5000', 'http://host.test/'],
    ['10.0.0.0/8', 'http://11.0.0.1/'],
    ['', 'http://host.test/'],
  ] as const) {
    assert.notEqual(via(url, list), undefined, `${list} for ${url}`);
  }
});

test('ranges', () => {
  assert.ok(isWithin('127.9.9.9', '127.0.0.0', 8));
  assert.ok(!isWithin('128.0.0.1', '127.0.0.0', 8));
  assert.ok(!isWithin('::1', '127.0.0.0', 8));
  assert.ok(!isWithin('127.0.0.1', '127.0.0.0', 99));
});
