import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect } from 'node:tls';
import { readUntil, TestApi } from './fixture.ts';

let api: TestApi;
let port = 0;

/** A key, and a certificate for it that the CA signed, as openssl(1) writes them. */
function certificate(folder: string, name: string, extension: string): void {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`];
  openssl('req', ...key, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
  writeFileSync(join(folder, `${name}.ext`), extension);
  const signer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2'];
  openssl('x509', '-req', '-in', `${name}.csr`, ...signer, '-extfile', `${name}.ext`, '-out', `${name}.pem`);
}

before(async () => {
  api = await TestApi.open();
  const { folder } = api;
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', 'ca.key'];
  const ca = ['req', '-x509', ...key, '-out', 'ca.pem', '-subj', '/CN=ca', '-days', '2'];
  execFileSync('openssl', ca, { cwd: folder, stdio: 'pipe' });
  certificate(folder, 'server', 'subjectAltName=IP:127.0.0.1');
  certificate(folder, 'client', 'extendedKeyUsage=clientAuth');
  const file = (name: string) => join(folder, name);
  const tls = { ca: file('ca.pem'), cert: file('server.pem'), key: file('server.key') };
  await api.server.listen({ host: '127.0.0.1', port: 0, tls });
  const [, address] = api.server.addresses;
  port = typeof address === 'object' ? address.port : 0;
});

after(() => api[Symbol.asyncDispose]());

const pem = (name: string) => readFileSync(join(api.folder, name));
const credentials = () => ({
  host: '127.0.0.1',
  port,
  ca: pem('ca.pem'),
  cert: pem('client.pem'),
  key: pem('client.key'),
});

describe('TCP with mutual TLS', () => {
  test('a client with a certificate is served', async () => {
    const asked = request({ ...credentials(), path: '/_ping', agent: false }).end();
    const [response] = await once(asked, 'response');
    let text = '';
    for await (const chunk of response) text += chunk;
    assert.equal(text, 'OK');
  });

  test('a client without one is not', async () => {
    const asked = request({ host: '127.0.0.1', port, ca: pem('ca.pem'), path: '/_ping', agent: false }).end();
    await assert.rejects(once(asked, 'response'));
  });

  test('a client that speaks no TLS is not', async () => {
    await assert.rejects(fetch(`http://127.0.0.1:${port}/_ping`));
  });

  test('streams work through it', async () => {
    const socket = connect(credentials());
    await once(socket, 'secureConnect');
    socket.write('POST /containers/h5web/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n');
    socket.write('Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
    await readUntil(socket, '\r\n\r\n');
    socket.write('ping');
    const [typed] = await once(api.engine.process.stdin, 'data');
    assert.equal(typed.toString(), 'ping');
    await api.engine.process.say('stdout', 'pong');
    assert.match(await readUntil(socket, 'pong'), /pong$/);
    socket.destroy();
  });
});
