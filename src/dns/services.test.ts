import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServiceName, parseServices, servicePort } from './services.ts';

const KNOWN = parseServices(`# comment
http		80/tcp		www		# WorldWideWeb HTTP
domain		53/tcp
domain		53/udp
broken line
`);

test('services(5) gives names to ports, each with its other names', () => {
  assert.deepEqual(Object.fromEntries(KNOWN), { 'http/tcp': 80, 'www/tcp': 80, 'domain/tcp': 53, 'domain/udp': 53 });
});

test('a service is named by port, protocol and host', () => {
  const port = (name: string) => {
    const asked = parseServiceName(name);
    return asked && servicePort(asked, KNOWN);
  };
  assert.deepEqual(parseServiceName('_http._tcp.web.app'), { port: 'http', protocol: 'tcp', host: 'web.app' });
  assert.deepEqual(['_www._tcp.x', '_domain._udp.x', '_8080._sctp.x', '_http._udp.x'].map(port), [
    80,
    53,
    8080,
    undefined,
  ]);
  for (const wrong of ['_http._tcp', '_http.web', 'http._tcp.web', '_http._icmp.web', '__tcp.web']) {
    assert.equal(parseServiceName(wrong), undefined, wrong);
  }
});
